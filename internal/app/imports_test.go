package app_test

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// module is what the paths of our packages begin with.
const module = "github.com/paybuf/paybuf"

// row says what a package may import of ours, and what its tests may besides. A
// test may always import its own package.
type row struct {
	of    string
	may   []string
	tests []string
}

// table is the import table of docs/ARCHITECTURE.md. A package without a row is
// an error, so that nobody adds one without deciding where it belongs.
var table = []row{
	{of: "payment", may: nothing, tests: nothing},
	{of: "migrations", may: nothing, tests: nothing},

	{of: "ingest", may: of("payment", "internal/fault", "internal/problem", "internal/object", "internal/body", "internal/nearest", "internal/prefer"), tests: nothing},
	{of: "buffer", may: of("payment", "internal/fault", "buffer/journal"), tests: servers},
	{of: "buffer/journal", may: nothing, tests: nothing},
	{of: "processor", may: of("payment", "internal/fault", "internal/histogram"), tests: of("processor/processortest")},
	{of: "processor/processortest", may: of("payment"), tests: nothing},
	{of: "processor/payer", may: of("payment"), tests: adapters},
	{of: "processor/payer/httppayer", may: of("payment", "internal/fault", "internal/outbound"), tests: of("processor/payer/payertest")},
	{of: "processor/payer/stripepayer", may: of("payment", "internal/outbound"), tests: of("processor/payer/payertest")},
	{of: "processor/payer/simulator", may: of("payment"), tests: of("processor/payer/payertest")},
	{of: "processor/payer/payertest", may: of("payment"), tests: of("processor/payer/simulator")},
	{of: "processor/reconcile", may: of("payment", "internal/table", "internal/fault"), tests: of("postgres", "internal/local/localtest",
		"processor/payer/httppayer", "processor/payer/simulator")},
	{of: "postgres", may: of("payment", "internal/fault", "migrations"),
		tests: of("internal/local/localtest", "processor/processortest")},
	{of: "status", may: of("payment", "internal/problem", "internal/object", "internal/prefer", "internal/query"), tests: nothing},
	{of: "status/await", may: of("payment"), tests: nothing},
	{of: "status/cancel", may: of("payment", "internal/problem", "internal/object", "internal/body"), tests: nothing},
	{of: "status/endpoint", may: of("payment", "internal/problem", "internal/object", "internal/body", "internal/query", "internal/nearest", "internal/sealed"),
		tests: of("postgres", "internal/local/localtest")},
	{of: "status/webhook", may: of("payment", "internal/object", "internal/outbound", "internal/fault"), tests: nothing},

	{of: "internal/problem", may: of("payment"), tests: nothing},
	{of: "internal/body", may: of("payment", "internal/nearest"), tests: nothing},
	{of: "internal/query", may: of("payment"), tests: nothing},
	{of: "internal/sealed", may: of("payment"), tests: nothing},
	{of: "internal/object", may: of("payment"), tests: nothing},
	{of: "internal/prefer", may: nothing, tests: nothing},
	{of: "internal/outbound", may: of("payment"), tests: nothing},
	{of: "internal/parking", may: nothing, tests: nothing},
	{of: "internal/access", may: of("payment"), tests: nothing},
	{of: "internal/nearest", may: nothing, tests: nothing},
	{of: "internal/table", may: of("payment", "internal/nearest"), tests: nothing},
	{of: "internal/histogram", may: nothing, tests: nothing},
	{of: "internal/fault", may: nothing, tests: nothing},
	{of: "internal/local", may: nothing, tests: of("internal/local/localtest")},
	{of: "internal/local/localtest", may: of("internal/local"), tests: nothing},
	{of: "internal/app", may: everything, tests: of("internal/local/localtest", "internal/trial/storm")},
	{of: "internal/trial", may: nothing, tests: of("internal/app", "internal/fault", "internal/local", "internal/local/localtest",
		"internal/trial/hook", "internal/trial/storm", "payment", "processor/payer/simulator")},
	{of: "internal/trial/hook", may: of("payment"), tests: nothing},
	{of: "internal/trial/storm", may: of("payment", "processor/payer/simulator"), tests: nothing},

	{of: "client", may: of("payment"), tests: nothing},
	{of: "internal/submit", may: of("payment", "client", "internal/table", "internal/nearest", "internal/histogram"), tests: nothing},
	{of: "internal/listen", may: of("payment", "client", "internal/nearest"), tests: nothing},
	// internal/fault with the build tag "crash" alone.
	{of: "cmd/paybuf", may: of("internal/app", "internal/fault", "internal/submit", "internal/listen", "internal/nearest", "client", "payment"),
		tests: of("internal/local", "internal/local/localtest", "internal/trial/storm")},
}

var (
	nothing    = of()
	everything = of("*")
	servers    = of("internal/local", "internal/local/localtest")
	adapters   = of("processor/payer/httppayer", "processor/payer/payertest", "processor/payer/simulator")

	// forTests are never part of the program, not even of what may import
	// everything.
	forTests = of("internal/local/localtest", "processor/payer/payertest", "processor/processortest",
		"internal/fault",
		"internal/trial", "internal/trial/hook", "internal/trial/storm", "cmd/paybuf")
)

// monopoly is something foreign that only some packages know.
type monopoly struct {
	on    string // the path of a package, with all below it
	of    []string
	tests []string // whose tests may use it too
}

var monopolies = []monopoly{
	{on: "github.com/nats-io/nats.go", of: of("buffer", "internal/local/localtest"), tests: of("internal/local")},
	{on: "github.com/nats-io/nats-server", of: of("internal/local")},
	{on: "github.com/jackc", of: of("postgres", "internal/local/localtest")},
	{on: "github.com/pressly/goose", of: of("postgres")},
	{on: "database/sql", of: of("postgres")},
	{on: "github.com/spf13", of: of("cmd/paybuf")},
	{on: "github.com/prometheus", of: of("internal/app")},
	{on: "code.dny.dev/ssrf", of: of("status/webhook")},
	{on: "github.com/stripe", of: of("processor/payer/stripepayer")},
}

// ignorance is what a package must not know.
type ignorance struct {
	of    []string
	about []string
}

var ignorances = []ignorance{
	{of: of("payment", "buffer", "postgres", "processor"), about: of("net/http", "github.com/go-chi")},
	{of: of("payment"), about: of("encoding/json", "github.com/go-json-experiment")},
}

func of(names ...string) []string { return names }

func TestImports_followTheTable(t *testing.T) {
	rows := map[string]row{}
	for _, r := range table {
		rows[r.of] = r
	}
	for _, p := range packages(t) {
		r, known := rows[p.name()]
		if !known {
			t.Errorf("%s is in no row of the table: decide what it may import", p.name())
			continue
		}
		delete(rows, r.of)
		for _, name := range ours(p.Imports) {
			if !r.allows(name) {
				t.Errorf("%s imports %s; it may import %v", r.of, name, r.may)
			}
		}
		for _, name := range ours(p.testImports()) {
			if !r.allowsTests(name) {
				t.Errorf("the tests of %s import %s; they may import %v and %v", r.of, name, r.may, r.tests)
			}
		}
	}
	for name := range rows {
		t.Errorf("the table has a row for %s, which is no package", name)
	}
}

func TestImports_foreignPackagesHaveOneKnower(t *testing.T) {
	for _, p := range packages(t) {
		for _, m := range monopolies {
			if !slices.Contains(m.of, p.name()) && uses(p.Imports, m.on) {
				t.Errorf("%s imports %s, which is for %v", p.name(), m.on, m.of)
			}
			if !slices.Contains(slices.Concat(m.of, m.tests), p.name()) && uses(p.testImports(), m.on) {
				t.Errorf("the tests of %s import %s, which is for %v", p.name(), m.on, m.of)
			}
		}
		for _, i := range ignorances {
			for _, path := range i.about {
				if slices.Contains(i.of, p.name()) && uses(p.Imports, path) {
					t.Errorf("%s imports %s, which it must not know", p.name(), path)
				}
			}
		}
	}
}

// The table could be right for the wrong reason: that it is not looked at.
func TestImports_aForbiddenImportIsSeen(t *testing.T) {
	stage := row{of: "ingest", may: of("payment"), tests: nothing}
	if stage.allows("postgres") || stage.allowsTests("postgres") || !stage.allows("payment") {
		t.Error("a row does not say what it means")
	}
	if !stage.allowsTests("ingest") {
		t.Error("a test may not import its own package")
	}
	if wiring := (row{of: "internal/app", may: everything}); wiring.allows("internal/local/localtest") || !wiring.allows("buffer") {
		t.Error("what may import everything may import what is for tests only, or not everything")
	}
	if !uses(of("github.com/jackc/pgx/v5/pgconn"), "github.com/jackc") || uses(of("net/httpfs"), "net/http") {
		t.Error("a path is not told from one that begins like it")
	}
}

// Wire formats belong to their boundaries: the domain's structs carry no tags.
func TestDomain_carriesNoTags(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(moduleDir, "payment", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("found no files: %v", err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			if field, ok := node.(*ast.Field); ok && field.Tag != nil {
				t.Errorf("%s: a field has the tag %s", filepath.Base(file), field.Tag.Value)
			}
			return true
		})
	}
}

func (r row) allows(name string) bool {
	if slices.Equal(r.may, everything) {
		return !slices.Contains(forTests, name)
	}
	return slices.Contains(r.may, name)
}

func (r row) allowsTests(name string) bool {
	return name == r.of || r.allows(name) || slices.Contains(r.tests, name)
}

// moduleDir is where go.mod is, seen from this package.
var moduleDir = filepath.Join("..", "..")

// listed is what `go list` says of a package.
type listed struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func (p listed) name() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

func (p listed) testImports() []string { return slices.Concat(p.TestImports, p.XTestImports) }

// packages lists the whole module, with the tests that only run when asked for.
func packages(t *testing.T) []listed {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-tags=trial,crash",
		"-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	list.Dir = moduleDir
	var stderr bytes.Buffer
	list.Stderr = &stderr
	output, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	all, err := decodeAll(output)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 2 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	return all
}

// decodeAll reads objects that stand one after the other.
func decodeAll(output []byte) ([]listed, error) {
	var all []listed
	for decoder := jsontext.NewDecoder(bytes.NewReader(output)); ; {
		var p listed
		err := json.UnmarshalDecode(decoder, &p)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("what go list says: %w", err)
		}
		all = append(all, p)
	}
}

// ours gives those imports that are of this module, by their short names.
func ours(imports []string) []string {
	var names []string
	for _, path := range imports {
		if name, ok := strings.CutPrefix(path, module+"/"); ok {
			names = append(names, name)
		}
	}
	return names
}

// uses tells whether a path, or one below it, is imported.
func uses(imports []string, path string) bool {
	return slices.ContainsFunc(imports, func(imported string) bool {
		return imported == path || strings.HasPrefix(imported, path+"/")
	})
}
