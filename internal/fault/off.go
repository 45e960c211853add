//go:build !crash

package fault

// Enabled tells whether this is a test build.
const Enabled = false

// At kills the process if it was told to die here.
func At(Point) {}

// Dropped tells whether the process was told to do without a protection.
func Dropped(Protection) bool { return false }
