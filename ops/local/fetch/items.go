package fetch

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// Kafka is Apache Kafka, as the Maven artifacts its releases are made of. Its
// folder holds the jars; no Kafka script is needed to run it.
var Kafka = Item{
	Name: "kafka", Version: "4.3.1",
	Provides: "lib/kafka_2.13-4.3.1.jar",
	Tools:    []Tool{maven},
	Bytes:    140e6,
	build:    buildKafka,
}

// kafkaProject is the Maven project whose dependencies are a Kafka broker with
// its storage tool, and a logger that writes to standard error.
const kafkaProject = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>penstock</groupId>
  <artifactId>kafka</artifactId>
  <version>4.3.1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>4.3.1</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka-tools</artifactId>
      <version>4.3.1</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`

func buildKafka(ctx context.Context, w *workshop) error {
	if err := os.WriteFile(w.path("pom.xml"), []byte(kafkaProject), 0o644); err != nil {
		return err
	}
	return w.run(ctx, nil, "mvn", "--batch-mode", "--file", w.path("pom.xml"),
		"-Dmaven.repo.local="+w.path("tmp", "repository"),
		"org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
		"-DincludeScope=runtime",
		"-DoutputDirectory="+w.path("lib"))
}

// ClickHouse is the whole engine as one shared library.
//
// Not from PyPI: the wheel chdb-core has the same engine, but linked into a
// Python extension that exports none of libchdb's functions and cannot be
// loaded without an interpreter.
var ClickHouse = Item{
	Name: "chdb", Version: "26.7.3",
	Provides:    "libchdb.so",
	Tools:       []Tool{npm},
	Unsupported: clickHouseUnsupported(runtime.GOOS, runtime.GOARCH),
	Bytes:       900e6,
	build:       buildClickHouse,
}

func clickHouseUnsupported(goos, goarch string) string {
	if goos == "linux" && goarch == "amd64" {
		return ""
	}
	return fmt.Sprintf("libchdb 26.7.3 is published for linux/amd64 only, this is %s/%s; run the stack on linux/amd64",
		goos, goarch)
}

func buildClickHouse(ctx context.Context, w *workshop) error {
	return w.unpack(ctx, "@chdb/lib-linux-x64-gnu@26.7.3-stable.1", "package/libchdb.so", "libchdb.so")
}

// unpack fetches a package of npm's and writes one member of it to a file of the item.
func (w *workshop) unpack(ctx context.Context, pack, member, to string) error {
	if err := w.run(ctx, nil, "npm", "pack", "--cache", w.path("tmp", "npm"), "--pack-destination", w.tmp(), pack); err != nil {
		return err
	}
	tarballs, err := filepath.Glob(w.path("tmp", "*.tgz"))
	if err != nil {
		return err
	}
	if len(tarballs) != 1 {
		return fmt.Errorf("npm pack %s left %d tarballs, want 1", pack, len(tarballs))
	}
	return extract(ctx, tarballs[0], member, w.path(to))
}

// extract writes one member of a .tgz to a file.
func extract(ctx context.Context, tarball, member, to string) (err error) {
	f, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w", tarball, err)
	}
	archive := tar.NewReader(unzipped)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%s has no %s", tarball, member)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", tarball, err)
		}
		if header.Name == member {
			break
		}
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	// In pieces, so that a ^C does not wait for half a gigabyte.
	for {
		_, err := io.CopyN(out, archive, 8<<20)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("extract %s from %s: %w", member, tarball, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// S3 is versitygw, an S3 gateway over a plain folder.
var S3 = Item{
	Name: "versitygw", Version: "1.8.0",
	Provides: "versitygw",
	Tools:    []Tool{golang},
	build: func(ctx context.Context, w *workshop) error {
		// The caller's GOFLAGS, workspace and target are about another module.
		env := []string{"GOBIN=" + w.dir, "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off",
			"GOOS=" + runtime.GOOS, "GOARCH=" + runtime.GOARCH}
		return w.run(ctx, env, "go", "install", "-trimpath", "github.com/versity/versitygw/cmd/versitygw@v1.8.0")
	},
}

// DuckDB is a Python environment with DuckDB in it, as an analyst would have it.
var DuckDB = Venv("duckdb", "1.5.5", 150e6, "duckdb==1.5.5", "duckdb-extension-httpfs==1.5.5")

// Venv is a Python environment with these packages from PyPI, pinned in the form
// of pip. Its version should name theirs: with others it is another item. Its
// folder has been renamed, so only its bin/python is of use: scripts beside it
// still name the old folder. For bytes see [Item.Bytes].
func Venv(name, version string, bytes int64, packages ...string) Item {
	return Item{
		Name: name, Version: version,
		Provides: "bin/python",
		Tools:    []Tool{python},
		Bytes:    bytes,
		build: func(ctx context.Context, w *workshop) error {
			if err := w.run(ctx, nil, "python3", "-m", "venv", w.dir); err != nil {
				return err
			}
			pip := []string{"-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check"}
			return w.run(ctx, nil, w.path("bin", "python"), append(pip, packages...)...)
		},
	}
}

// Axe is what finds faults of a page's accessibility, as one script. Tests fetch it.
var Axe = Item{
	Name: "axe-core", Version: "4.14.1",
	Provides: "axe.min.js",
	Tools:    []Tool{npm},
	build: func(ctx context.Context, w *workshop) error {
		return w.unpack(ctx, "axe-core@4.14.1", "package/axe.min.js", "axe.min.js")
	},
}

// Items are all of them, in the order people read about them.
var Items = []Item{Kafka, ClickHouse, S3, DuckDB}
