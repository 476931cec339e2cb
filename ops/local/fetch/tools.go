package fetch

import (
	"errors"
	"fmt"
	"os/exec"
)

// Tool is a program that has to be on the PATH.
type Tool struct {
	// Name is the command.
	Name string
	// Install is how one gets it on Debian or Ubuntu.
	Install string
}

var (
	maven  = Tool{"mvn", "apt-get install -y maven"}
	npm    = Tool{"npm", "apt-get install -y npm"}
	golang = Tool{"go", "see https://go.dev/doc/install"}
	python = Tool{"python3", "apt-get install -y python3 python3-venv"}
)

// checkTools names every tool the items need and the machine lacks, and every
// item the machine cannot run.
func checkTools(items []Item) error {
	var errs []error
	for _, i := range items {
		if i.Unsupported != "" {
			errs = append(errs, fmt.Errorf("%v cannot be had here: %s", i, i.Unsupported))
			continue
		}
		for _, t := range i.Tools {
			if _, err := exec.LookPath(t.Name); err != nil {
				errs = append(errs, fmt.Errorf("%s is missing; it is needed to fetch %v; install it, for example: %s",
					t.Name, i, t.Install))
			}
		}
	}
	return errors.Join(errs...)
}
