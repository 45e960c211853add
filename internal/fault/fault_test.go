package fault_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/internal/fault"
)

// moduleDir is where go.mod is, seen from this package.
var moduleDir = filepath.Join("..", "..")

// used finds the constants that the product's code calls fault's functions with.
func used(t *testing.T, function string) map[string]int {
	t.Helper()
	calls := map[string]int{}
	err := filepath.WalkDir(moduleDir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "bench" || strings.HasPrefix(entry.Name(), ".") && path != moduleDir):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if name, found := argument(node, function); found {
				calls[name]++
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return calls
}

// argument gives the name of X in fault.function(fault.X).
func argument(node ast.Node, function string) (string, bool) {
	call, ok := node.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 || !isFaults(call.Fun, function) {
		return "", false
	}
	constant, ok := call.Args[0].(*ast.SelectorExpr)
	if !ok {
		return "something that is not a constant of package fault", true
	}
	return constant.Sel.Name, true
}

func isFaults(expression ast.Expr, name string) bool {
	selector, ok := expression.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != name {
		return false
	}
	of, ok := selector.X.(*ast.Ident)
	return ok && of.Name == "fault"
}

// declared gives the names of the constants of a type, with their values.
func declared(t *testing.T, typeName string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "points.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string]string{}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if of, ok := spec.Type.(*ast.Ident); ok && of.Name == typeName {
			constants[spec.Names[0].Name] = strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`)
		}
		return true
	})
	return constants
}

func TestPoints_areAllPassedSomewhereAndNoOtherIs(t *testing.T) {
	constants, calls := declared(t, "Point"), used(t, "At")
	for name, point := range constants {
		if calls[name] == 0 {
			t.Errorf("%s is passed nowhere", name)
		}
		if !slices.Contains(fault.Points(), fault.Point(point)) {
			t.Errorf("%s is missing in Points, so that no trial dies there", name)
		}
	}
	for name := range calls {
		if _, known := constants[name]; !known {
			t.Errorf("At is called with %s", name)
		}
	}
	if listed := fault.Points(); len(listed) != len(constants) {
		t.Errorf("%d points are listed and %d declared", len(listed), len(constants))
	}
}

func TestPoints_haveARoleThatPassesThem(t *testing.T) {
	of := slices.Concat(fault.PointsOf("ingest"), fault.PointsOf("processor"), fault.PointsOf("status"), fault.PointsOf("webhook"), fault.PointsOf("operator"), fault.PointsOf("other"))
	if !slices.Equal(slices.Sorted(slices.Values(of)), slices.Sorted(slices.Values(fault.Points()))) {
		t.Errorf("the roles pass %v", of)
	}
}

func TestProtections_areAllDroppableSomewhere(t *testing.T) {
	constants, calls := declared(t, "Protection"), used(t, "Dropped")
	for name, protection := range constants {
		if calls[name] == 0 || !slices.Contains(fault.Protections(), fault.Protection(protection)) {
			t.Errorf("%s is dropped %d times; Protections lists %v", name, calls[name], fault.Protections())
		}
	}
	if len(calls) != len(constants) || len(fault.Protections()) != len(constants) {
		t.Errorf("%v are asked for, %v declared", calls, constants)
	}
}

// The documented steps name their points, so that nobody looks for them.
func TestPoints_standInTheLifecycle(t *testing.T) {
	page := read(t, filepath.Join(moduleDir, "docs", "lifecycle.md"))
	for _, point := range fault.Points() {
		if !strings.Contains(page, "`"+string(point)+"`") {
			t.Errorf("docs/lifecycle.md does not say to which step %s belongs", point)
		}
	}
}

func TestBuild_withoutTheTagHasNothingOfIt(t *testing.T) {
	program := filepath.Join(t.TempDir(), "paybuf")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/paybuf")
	build.Dir = moduleDir
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	symbols, err := exec.CommandContext(t.Context(), "go", "tool", "nm", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(symbols), "paybuf/internal/app.New") {
		t.Fatal("the program's symbols cannot be read")
	}
	for line := range strings.Lines(string(symbols)) {
		if strings.Contains(line, "paybuf/internal/fault") {
			t.Error("the program has", strings.TrimSpace(line))
		}
	}
	if bytes := read(t, program); strings.Contains(bytes, "PAYBUF_CRASH") || strings.Contains(bytes, "PAYBUF_DROP") {
		t.Error("the program knows the variables")
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
