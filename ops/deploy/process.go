// Package deploy reads what is in this folder as a machine would: which programs it
// starts, with which arguments, variables and files, within which bounds. It is for
// the tests of the programs, who alone know whether a flag, a setting or a page
// exists; no program has it.
package deploy

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Process is a program of ours as something here starts it.
type Process struct {
	// From says where, for messages: a file and the name of the process in it.
	From string
	// Args begin with the program's name.
	Args []string
	// Env is of the program alone, as os.Environ has it.
	Env []string
	// Files are the texts of files it is given, by their paths. Secrets have one
	// that is made up.
	Files map[string]string
	// Folders are what it may write to.
	Folders []string
	// Ports are those that others may reach.
	Ports []int
	// Probes are asked whether it lives and is ready, by whoever starts it.
	Probes []Probe
	// Memory is what it may take, in bytes; 0 if nothing bounds it.
	Memory int64
	// Grace is how long after a SIGTERM it is killed; 0 if nobody does.
	Grace time.Duration
}

// Probe is a page without a token.
type Probe struct {
	Path string
	Port int
}

// Processes returns every start of the program by what is below root, the folder of
// this package. A folder that starts none is an error: it is not read rightly.
func Processes(root, program string) ([]Process, error) {
	var found []Process
	for pattern, read := range map[string]func(path string) ([]Process, error){
		"helm/testdata/*.yaml": kubernetes,
		"compose/compose.yaml": compose,
		"systemd/*.service":    systemd,
	} {
		paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			return nil, err
		}
		before := len(found)
		for _, path := range paths {
			processes, err := read(path)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			for _, p := range processes {
				if p.Args[0] == program {
					p.From = filepath.Base(path) + " " + p.From
					found = append(found, p)
				}
			}
		}
		if len(found) == before {
			return nil, fmt.Errorf("%s: nothing there starts %s", pattern, program)
		}
	}
	slices.SortFunc(found, func(a, b Process) int { return cmp.Compare(a.From, b.From) })
	return found, nil
}

// Lay makes the process's files and folders below a folder and returns the process as
// it would be with that as its root: where it names one of them, this one is named.
func (p Process) Lay(root string) (Process, error) {
	var names []string
	for path := range p.Files {
		names = append(names, path)
	}
	names = append(names, p.Folders...)
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // of two that begin alike the longer one
	var pairs []string
	for _, name := range names {
		pairs = append(pairs, name, filepath.Join(root, name))
	}
	there := strings.NewReplacer(pairs...)
	laid := p
	laid.Args, laid.Env, laid.Files, laid.Folders = nil, nil, map[string]string{}, nil
	for _, a := range p.Args {
		laid.Args = append(laid.Args, there.Replace(a))
	}
	for _, e := range p.Env {
		laid.Env = append(laid.Env, there.Replace(e))
	}
	for _, folder := range p.Folders {
		folder = filepath.Join(root, folder)
		laid.Folders = append(laid.Folders, folder)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return Process{}, err
		}
	}
	for path, text := range p.Files {
		path = filepath.Join(root, path)
		laid.Files[path] = there.Replace(text)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return Process{}, err
		}
		if err := os.WriteFile(path, []byte(laid.Files[path]), 0o600); err != nil {
			return Process{}, err
		}
	}
	return laid, nil
}

// Fits returns what is wrong with the bounds of a program that keeps within so much
// memory and needs so long to stop.
func (p Process) Fits(memory int64, stop time.Duration) (faults []string) {
	if least := memory + memory/4; p.Memory < least {
		faults = append(faults, fmt.Sprintf("it may take %d bytes, and its own budget with a quarter more is %d", p.Memory, least))
	}
	if least := stop + 10*time.Second; p.Grace < least {
		faults = append(faults, fmt.Sprintf("it is killed after %v, and may need %v", p.Grace, least))
	}
	return faults
}
