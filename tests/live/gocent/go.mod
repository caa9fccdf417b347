module corecast/tests/live/gocent

go 1.19

require github.com/centrifugal/gocent/v3 v3.3.0
