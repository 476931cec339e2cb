package play

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"penstock/loadtest/gate"
)

// Write writes a report to a folder as report.json, report.md and report.html,
// and returns their paths.
func Write(dir string, r gate.Report) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("write the report: %w", err)
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return nil, fmt.Errorf("write the report: %w", err)
	}
	page, err := r.HTML()
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, file := range []struct {
		name string
		text string
	}{{"report.html", page}, {"report.md", r.Markdown()}, {"report.json", string(text) + "\n"}} {
		path := filepath.Join(dir, file.name)
		if err := os.WriteFile(path, []byte(file.text), 0o644); err != nil {
			return paths, fmt.Errorf("write the report: %w", err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// ReadBaseline reads a report of an earlier load, to compare a scenario with it.
func ReadBaseline(path string, s gate.Scenario) (*gate.Side, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	r, err := gate.ParseReport(text, s)
	if err != nil {
		return nil, fmt.Errorf("baseline %s: %w", path, err)
	}
	return &r.Candidate, nil
}
