// Package scenarios has the scenarios of the load test, a file each.
package scenarios

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"penstock/loadtest/gate"
)

//go:embed *.yaml
var files embed.FS

// Names are those of all scenarios there are.
func Names() []string {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// Load returns the scenario of a name, or of a file if it ends in .yaml.
func Load(name string) (gate.Scenario, error) {
	if strings.HasSuffix(name, ".yaml") {
		text, err := os.ReadFile(name)
		if err != nil {
			return gate.Scenario{}, fmt.Errorf("scenario: %w", err)
		}
		return gate.Parse(strings.TrimSuffix(filepath.Base(name), ".yaml"), text)
	}
	if !slices.Contains(Names(), name) {
		return gate.Scenario{}, fmt.Errorf("scenario %q is none; there are %s, and any file that ends in .yaml", name, strings.Join(Names(), ", "))
	}
	text, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return gate.Scenario{}, errors.Join(errors.New("BUG: a scenario that is not there"), err)
	}
	return gate.Parse(name, text)
}
