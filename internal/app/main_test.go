package app_test

import (
	"testing"

	"github.com/paybuf/paybuf/internal/local/localtest"
)

func TestMain(m *testing.M) { localtest.Main(m) }
