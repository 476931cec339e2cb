package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"penstock/ops/local/fetch"
	"penstock/ops/local/stack"
)

// programs returns the folder of the product's programs, which is bin in the
// repository where dir is empty.
func programs(dir string) (string, error) {
	if dir != "" {
		return dir, nil
	}
	root, ok := fetch.Repository()
	if !ok {
		return "", errors.New("outside of the repository there is no default for the programs; give a folder with --bin")
	}
	return filepath.Join(root, "bin"), nil
}

// stamp names a state folder after the moment it was begun.
const stamp = "20060102-150405.000"

// begin fills in what the flags left open of a stack that something is counted on:
// it has to begin with nothing. given says whether its state folder is the user's.
func begin(cmd *cobra.Command, cfg *stack.Config, name string) (given bool, err error) {
	given = cfg.State != ""
	if err := complete(cfg, filepath.Join(name, time.Now().Format(stamp)), cmd.ErrOrStderr()); err != nil {
		return given, err
	}
	return given, empty(cfg.State)
}

// conclude writes the command's last line, and removes its state folder, unless
// something went wrong or it is to be kept.
func conclude(cmd *cobra.Command, result any, state string, keep bool, err error) error {
	line, errJSON := json.Marshal(result)
	switch {
	case err != nil:
		fmt.Fprintf(cmd.ErrOrStderr(), "data and logs are in %s\n", state)
	case !keep:
		err = os.RemoveAll(state)
	}
	if errJSON == nil {
		fmt.Fprintln(cmd.OutOrStdout(), string(line))
	}
	return errors.Join(err, errJSON)
}

// empty says whether a folder can be begun in.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("state folder %s is not empty, and what counts has to begin with nothing; choose another with --state", dir)
	}
	return nil
}
