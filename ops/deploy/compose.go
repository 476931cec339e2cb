package deploy

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// madeUp is the text of a secret.
const madeUp = "made-up"

// compose reads a compose file. Its services of ours are those with the image that it
// builds.
func compose(file string) (found []Process, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all struct {
		Services map[string]struct {
			Build           any
			Command         any
			Environment     map[string]string
			Volumes         []string
			Tmpfs           []string
			Ports           []string
			MemLimit        string        `yaml:"mem_limit"`
			StopGracePeriod time.Duration `yaml:"stop_grace_period"`
		}
	}
	if err := yaml.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	for name, s := range all.Services {
		if s.Build == nil {
			continue
		}
		p := Process{From: name, Files: map[string]string{}, Grace: s.StopGracePeriod}
		words, _ := s.Command.([]any)
		for _, word := range words {
			p.Args = append(p.Args, fmt.Sprint(word))
		}
		if len(p.Args) == 0 {
			return nil, fmt.Errorf("%s: want a command that is a list, which begins with the program", name)
		}
		p.Args[0] = path.Base(p.Args[0])
		for key, value := range s.Environment {
			p.Env = append(p.Env, key+"="+value)
		}
		for _, published := range s.Ports {
			port, err := strconv.Atoi(published[strings.LastIndex(published, ":")+1:])
			if err != nil {
				return nil, fmt.Errorf("%s: port %q: %w", name, published, err)
			}
			p.Ports = append(p.Ports, port)
		}
		if s.MemLimit != "" {
			if p.Memory, err = size(s.MemLimit); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		for _, folder := range s.Tmpfs {
			path, _, _ := strings.Cut(folder, ":")
			p.Folders = append(p.Folders, path)
		}
		for _, mount := range s.Volumes {
			from, to, _ := strings.Cut(strings.TrimSuffix(mount, ":ro"), ":")
			if from == "secrets" {
				err = madeBy(filepath.Join(filepath.Dir(file), "make-secrets.sh"), to, p.Files)
			} else {
				var text []byte
				text, err = os.ReadFile(filepath.Join(filepath.Dir(file), from))
				p.Files[to] = string(text)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		found = append(found, p)
	}
	return found, nil
}

// madeBy adds the secrets that the script makes up.
func madeBy(script, folder string, files map[string]string) error {
	text, err := os.ReadFile(script)
	if err != nil {
		return err
	}
	_, names, found := strings.Cut(string(text), "\nfor name in ")
	names, _, closed := strings.Cut(names, ";")
	if !found || !closed {
		return fmt.Errorf("%s: want a line: for name in ...; do", script)
	}
	for name := range strings.FieldsSeq(names) {
		files[path.Join(folder, name)] = madeUp
	}
	return nil
}

// size reads a bound of memory as Kubernetes, Docker and systemd write it, in binary
// units: 640Mi, 640m, 640M.
func size(text string) (int64, error) {
	number := strings.TrimRight(text, "iMmGg")
	unit := map[string]int64{"Mi": 1 << 20, "m": 1 << 20, "M": 1 << 20, "Gi": 1 << 30, "g": 1 << 30, "G": 1 << 30}[text[len(number):]]
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || unit == 0 {
		return 0, fmt.Errorf("memory is bounded by %q; want a whole number of MiB or GiB", text)
	}
	return n * unit, nil
}
