package migrations_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/migrations"
)

func TestFiles_areNumberedWithoutGapsAndGoBothWays(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Fatal("no migrations are embedded")
	}
	for i, name := range names {
		if number := fmt.Sprintf("%05d_", i+1); !strings.HasPrefix(name, number) {
			t.Errorf("%s should begin with %s", name, number)
		}
		text, err := fs.ReadFile(migrations.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, section := range []string{"-- +goose Up\n", "-- +goose Down\n"} {
			if strings.Count(string(text), section) != 1 {
				t.Errorf("%s needs one section %q", name, section)
			}
		}
	}
}

// A text key in a locale's order is a second charge when the C library changes
// under its index.
func TestFiles_sortKeysByBytes(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(migrations.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) < 2 || fields[1] != "text" {
				continue
			}
			key := fields[0] == "id" || strings.HasSuffix(fields[0], "_id") || fields[0] == "order_number"
			if key && fields[0] != "request_id" && !strings.Contains(line, `COLLATE "C"`) {
				t.Errorf("%s: %s has no COLLATE \"C\"", name, strings.TrimSpace(line))
			}
		}
	}
}
