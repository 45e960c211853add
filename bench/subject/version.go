package subject

import (
	"runtime/debug"
	"slices"
)

// ModuleVersion is the release of a module that a program was built with, or
// "unknown".
func ModuleVersion(info *debug.BuildInfo, path string) string {
	at := slices.IndexFunc(info.Deps, func(module *debug.Module) bool { return module.Path == path })
	if at < 0 {
		return "unknown"
	}
	return info.Deps[at].Version
}
