package schema

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// amend returns the schema file with another version and fields more. Its other
// lines stay as they are, with their comments.
func amend(text string, version int, fields []Column) (string, error) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		return "", fmt.Errorf("schema file: %w", err)
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	keys := root.Content[0].Content
	at, end, indent := 0, len(lines), ""
	for i := 0; i < len(keys); i += 2 {
		key, value := keys[i], keys[i+1]
		switch key.Value {
		case "version":
			line := lines[value.Line-1]
			lines[value.Line-1] = line[:value.Column-1] + fmt.Sprint(version) + strings.TrimPrefix(line[value.Column-1:], value.Value)
		case "fields":
			if value.Style&yaml.FlowStyle != 0 {
				return "", errors.New("schema file: fields is a list in brackets; write each field in a line of its own, behind a dash")
			}
			at, indent = value.Line, strings.Repeat(" ", value.Column-1)
			if i+2 < len(keys) {
				end = keys[i+2].Line - 1
			}
		}
	}
	// Behind the last field, and before what is said about the next key.
	for end > at && (strings.TrimSpace(lines[end-1]) == "" || strings.HasPrefix(lines[end-1], "#")) {
		end--
	}
	out := append([]string(nil), lines[:end]...)
	for _, c := range fields {
		// A device may call a field null or true.
		name, err := yaml.Marshal(c.Name)
		if err != nil {
			return "", fmt.Errorf("schema file: field %q: %w", c.Name, err)
		}
		out = append(out, fmt.Sprintf("%s- {id: %d, name: %s, type: %s, nullable: %v, since: %d}", indent, c.ID, strings.TrimSpace(string(name)), c.Type, c.Nullable, c.Since))
	}
	return strings.Join(append(out, lines[end:]...), "\n") + "\n", nil
}
