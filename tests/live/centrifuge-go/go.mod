// Pins the library whose own tests run.sh builds.
module corecast/tests/live/centrifuge-go

go 1.25.0

require github.com/centrifugal/centrifuge-go v0.12.1
