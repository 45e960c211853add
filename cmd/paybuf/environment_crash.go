//go:build crash

package main

import "github.com/paybuf/paybuf/internal/fault"

// A build that can be told to die, and what to do without, reads that itself.
func init() {
	foreignVariables = append(foreignVariables, fault.CrashVariable, fault.DropVariable)
}
