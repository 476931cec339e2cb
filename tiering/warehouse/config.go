package warehouse

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"penstock/schema"
	"penstock/transport"
	"penstock/transport/native"
)

// Config says where ClickHouse is and how it reaches the cold tier.
type Config struct {
	// Addr is host:port of the native protocol; with replicas that of the one
	// which nodes insert into, and no balancer: rows that come to another in the
	// moment of a move would be lost.
	Addr         string `koanf:"addr"`
	Database     string `koanf:"database"`
	native.Login `koanf:",squash"`
	// Cluster: see [schema.Tables]. It has to have one shard: each shard is a
	// table of its own to the compactor.
	Cluster string `koanf:"cluster"`
	// S3Endpoint is the URL by which ClickHouse reaches S3. The default is
	// empty: the compactor's own, s3.endpoint.
	S3Endpoint string `koanf:"s3_endpoint"`
	// S3AccessKey and S3SecretKey are the credentials by which ClickHouse reads
	// S3. The default is empty: the compactor's own, s3.access_key. Of their own
	// they may have fewer rights: ClickHouse only reads.
	S3AccessKey transport.Secret `koanf:"s3_access_key"`
	S3SecretKey transport.Secret `koanf:"s3_secret_key"`
	// NamedCollection holds the place and the credentials of the bucket in
	// ClickHouse, so that the view's definition holds none and a new key needs
	// no new view. The compactor creates and updates it, for which its user
	// needs NAMED COLLECTION ADMIN. Empty: the credentials stand in the view,
	// where ClickHouse hides them from who may not see secrets. The default is
	// "penstock_cold".
	NamedCollection string `koanf:"named_collection"`
	// BlockRows is the most rows read at a time. Larger: fewer, longer copies.
	// Smaller: less memory, some 500 bytes a row here. The default is 65,536.
	BlockRows int `koanf:"block_rows"`
	// ReadThreads is how many threads ClickHouse reads a sealed day with.
	// Larger: faster. Smaller: less is taken from inserts and queries. The
	// default is 2.
	ReadThreads int `koanf:"read_threads"`
	// BusyParts is from how many active parts in one day of the hot table on
	// ClickHouse is too busy to be read fast: merges do not keep up with inserts,
	// whatever they lack, and at parts_to_delay_insert inserts begin to wait.
	// Larger: days move faster beside a busy server. Smaller: it has more of itself
	// for inserts. The default is 300, of the 1,000 at which ClickHouse delays; 0
	// for never.
	BusyParts int `koanf:"busy_parts"`
	// ReadTimeout bounds the wait for the next packet of an answer; the first
	// one of a day's export comes when its parts are opened. The default is 5m.
	ReadTimeout time.Duration `koanf:"read_timeout"`
}

// Default returns the defaults.
func Default() Config {
	return Config{
		Database: "default", Login: native.Default(), NamedCollection: "penstock_cold",
		BlockRows: 65_536, ReadThreads: 2, BusyParts: 300, ReadTimeout: 5 * time.Minute,
	}
}

// collections are the names that need no quoting.
var collections = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// Validate returns every fault of the configuration.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Addr != "", "clickhouse.addr is empty; want host:port of the native protocol, such as 127.0.0.1:9000")
	check(c.Database != "", "clickhouse.database is empty; the server's own is called default")
	errs = append(errs, c.Login.Validate(), c.S3AccessKey.Validate("clickhouse.s3_access_key"), c.S3SecretKey.Validate("clickhouse.s3_secret_key"))
	check(c.S3AccessKey.Given() == c.S3SecretKey.Given(), "clickhouse.s3_access_key and clickhouse.s3_secret_key go together; set both, or neither for those of s3")
	check(c.NamedCollection == "" || collections.MatchString(c.NamedCollection),
		"clickhouse.named_collection is %q; want letters, digits and _, or nothing for credentials in the view", c.NamedCollection)
	check(c.BlockRows >= 1, "clickhouse.block_rows is %d; want at least 1", c.BlockRows)
	check(c.ReadThreads >= 1, "clickhouse.read_threads is %d; want at least 1", c.ReadThreads)
	check(c.BusyParts >= 0, "clickhouse.busy_parts is %d; want a number of parts, or 0 for never", c.BusyParts)
	check(c.ReadTimeout > 0, "clickhouse.read_timeout is %v; want a positive duration", c.ReadTimeout)
	return errors.Join(errs...)
}

// Tables returns where the schema's tables stand.
func (c Config) Tables() schema.Tables {
	return schema.Tables{Database: c.Database, Cluster: c.Cluster}
}
