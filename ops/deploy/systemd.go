package deploy

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// systemd reads a unit. The settings that it names are beside it; where the machine
// keeps its configuration, caches and credentials is as for any unit of the system.
func systemd(file string) ([]Process, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	const credentials = "/run/credentials"
	there := strings.NewReplacer("%E", "/etc", "%C", "/var/cache", "%d", credentials)
	p := Process{Files: map[string]string{}}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = there.Replace(value)
		switch key {
		case "ExecStart":
			p.Args = strings.Fields(value)
			p.Args[0] = path.Base(p.Args[0])
		case "Environment":
			p.Env = append(p.Env, value)
		case "CacheDirectory":
			p.Folders = append(p.Folders, path.Join("/var/cache", value))
		case "LoadCredential":
			name, _, _ := strings.Cut(value, ":")
			p.Files[path.Join(credentials, name)] = madeUp
		case "MemoryMax":
			if p.Memory, err = size(value); err != nil {
				return nil, err
			}
		case "TimeoutStopSec":
			seconds, err := strconv.Atoi(value)
			if err != nil {
				return nil, fmt.Errorf("TimeoutStopSec=%s: %w", value, err)
			}
			p.Grace = time.Duration(seconds) * time.Second
		}
	}
	settings, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, s := range settings {
		text, err := os.ReadFile(s)
		if err != nil {
			return nil, err
		}
		p.Files[path.Join("/etc/penstock", filepath.Base(s))] = string(text)
	}
	if len(p.Args) == 0 {
		return nil, fmt.Errorf("it starts nothing; want an ExecStart")
	}
	return []Process{p}, nil
}
