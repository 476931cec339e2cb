package stack

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// Addresses are what clients of the stack need to know.
type Addresses struct {
	Kafka      KafkaAddress      `json:"kafka"`
	ClickHouse ClickHouseAddress `json:"clickhouse"`
	S3         S3Address         `json:"s3"`
	State      string            `json:"state"`
}

// KafkaAddress is where Kafka is, and what it is: apache-<version> or kfake.
type KafkaAddress struct {
	Name    string   `json:"name"`
	Brokers []string `json:"brokers"`
	Pid     int      `json:"pid,omitempty"`
}

// ClickHouseAddress is where ClickHouse is and who may use it.
type ClickHouseAddress struct {
	Native   string `json:"native"`
	HTTP     string `json:"http"`
	User     string `json:"user"`
	Password string `json:"password"`
	Database string `json:"database"`
	Pid      int    `json:"pid,omitempty"`
}

// S3Address is where S3 is and who may use it.
type S3Address struct {
	Endpoint  string `json:"endpoint"`
	Region    string `json:"region"`
	Bucket    string `json:"bucket"`
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
	Pid       int    `json:"pid,omitempty"`
}

// WriteFile writes the addresses as JSON, at once and not in pieces, so that a
// script that waits for the file never reads half of it.
func (a Addresses) WriteFile(path string) error {
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	partial := path + ".partial"
	if err := os.WriteFile(partial, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(partial, path)
}

// String is the addresses as people read them.
func (a Addresses) String() string {
	return fmt.Sprintf(`kafka       %s  (%s)
clickhouse  %s  native, user %s, password %s, database %s
            http://%s
s3          %s  bucket %s, key %s, secret %s, region %s
data, logs  %s`,
		strings.Join(a.Kafka.Brokers, ","), a.Kafka.Name,
		a.ClickHouse.Native, a.ClickHouse.User, a.ClickHouse.Password, a.ClickHouse.Database,
		a.ClickHouse.HTTP,
		a.S3.Endpoint, a.S3.Bucket, a.S3.AccessKey, a.S3.SecretKey, a.S3.Region,
		a.State)
}
