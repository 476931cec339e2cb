package engine

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
)

// The part of a server's configuration that says what its user may do. The
// embedded engine takes users from a file only, and logs in as default: so it is
// default that is restricted, and not an account beside it.
type usersFile struct {
	XMLName  xml.Name `xml:"clickhouse"`
	Profile  struct{} `xml:"profiles>default"`
	Quota    struct{} `xml:"quotas>default"`
	Password string   `xml:"users>default>password"`
	Networks string   `xml:"users>default>networks>ip"`
	Grants   []string `xml:"users>default>grants>query"`
}

type configFile struct {
	XMLName xml.Name `xml:"clickhouse"`
	Users   string   `xml:"users_config"`
}

// restrict writes the configuration of a user with these rights into the data
// folder and returns its path.
func restrict(path string, grants []string) (string, error) {
	users, config := filepath.Join(path, "restricted_users.xml"), filepath.Join(path, "restricted.xml")
	for file, content := range map[string]any{
		users:  usersFile{Networks: "::/0", Grants: grants},
		config: configFile{Users: users},
	} {
		text, err := xml.MarshalIndent(content, "", "  ")
		if err != nil {
			return "", fmt.Errorf("write the user's rights: %w", err)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return "", fmt.Errorf("write the user's rights: %w", err)
		}
	}
	return config, nil
}
