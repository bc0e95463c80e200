package sim

import (
	"os"
	"os/exec"
	"testing"

	"surety/platform/db/dbtest"
)

// childEnv makes the test binary a child: it holds the spec.
const childEnv = "SURETY_SIM_CHILD"

func TestMain(m *testing.M) {
	if s := os.Getenv(childEnv); s != "" {
		os.Exit(Child(s, os.Stdin, os.Stdout))
	}
	os.Exit(dbtest.Main(m))
}

// self is this binary as a child.
func self(spec string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+spec)
	return cmd
}
