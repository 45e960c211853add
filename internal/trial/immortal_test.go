//go:build trial && !crash

package trial

// buildMortal builds nothing: only the tests with the build tag "crash" need a
// program that can be told to die.
func buildMortal(string) error { return nil }
