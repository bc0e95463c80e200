package ledger_test

import (
	"os"
	"testing"

	"surety/platform/db/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }
