module corecast/tests/live/gocent

go 1.19
