//go:build tools

// Package compat names h2spec, so that its dependencies are pinned.
package compat

import _ "github.com/summerwind/h2spec/cmd/h2spec"
