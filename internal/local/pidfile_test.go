package local

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReadPIDFile_toleratesWhatIsMissing(t *testing.T) {
	data := t.TempDir()
	for content, want := range map[string]pidFile{
		"812\n/data\n1700000000\n5433\n\n127.0.0.1\n1 1\nready   \n": {pid: 812, port: 5433, status: "ready"},
		"812\n/data\n1700000000\n5433\n":                             {pid: 812, port: 5433},
		"812":                                                        {pid: 812},
		"-812\n/data\n":                                              {},
		"99999999999999999999\n":                                     {},
		"\x00\x00":                                                   {},
		"":                                                           {},
	} {
		if err := os.WriteFile(filepath.Join(data, pidFileName), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readPIDFile(data); got != want || err != nil {
			t.Errorf("%q is read as %+v, %v; want %+v", content, got, err, want)
		}
	}
}

func TestIsPostmaster_isNotThisTest(t *testing.T) {
	if serves, err := isPostmaster(os.Getpid(), "/data"); serves || err != nil {
		t.Errorf("got %v, %v", serves, err)
	}
	const pidMax = 1 << 22 // Linux gives no higher number
	if serves, err := isPostmaster(pidMax+1, "/data"); serves || err != nil {
		t.Errorf("of nobody: %v, %v", serves, err)
	}
}
