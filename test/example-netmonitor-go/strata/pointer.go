// Package strata lets a Go application keep its data in a Strata store: it reads CURRENT by itself, and speaks to the sidecar
// (`strata serve --stdio`) for everything else. Copy it: it needs the standard library alone.
package strata

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// Hold says why automatic migration is off since a rollback. Both are for people.
type Hold struct {
	Since  string `json:"since"`
	Reason string `json:"reason"`
}

// Pointer is CURRENT, whose form is frozen.
type Pointer struct {
	Format        int      `json:"format"`
	StoreID       string   `json:"storeId"`
	Seq           int64    `json:"seq"`
	Snapshot      string   `json:"snapshot"`
	Directory     string   `json:"directory"`
	SchemaVersion string   `json:"schemaVersion"`
	ReadableBy    []string `json:"readableBy"`
	Hold          *Hold    `json:"hold"`
}

var (
	// ErrNoStore: there is no CURRENT, so there is no store yet, or it has lost its pointer; the sidecar makes either good.
	ErrNoStore = errors.New("there is no store")
	// ErrNewer: the store was written by a newer Strata.
	ErrNewer = errors.New("the store has a newer format; use the newer version of the application")
	// ErrDamaged: CURRENT is not what Strata writes; the sidecar writes it again from the journal.
	ErrDamaged = errors.New("CURRENT is damaged")
)

var directory = regexp.MustCompile(`^snapshots/[0-9a-zA-Z+-][0-9a-zA-Z.+-]*$`)

// Current reads the pointer of a store. It costs one small file, needs no sidecar, and never waits.
func Current(store string) (Pointer, error) {
	var p Pointer
	// Read whole and closed at once: on Windows an open CURRENT could not be replaced.
	bytes, err := os.ReadFile(filepath.Join(store, "CURRENT"))
	if errors.Is(err, fs.ErrNotExist) {
		return p, ErrNoStore
	}
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(bytes, &p); err != nil {
		return p, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	if p.Format > 1 {
		return p, ErrNewer
	}
	if p.Format != 1 || p.Snapshot == "" || len(p.ReadableBy) == 0 || !directory.MatchString(p.Directory) {
		return p, ErrDamaged
	}
	return p, nil
}

// Path is the active directory.
func (p Pointer) Path(store string) string {
	return filepath.Join(store, filepath.FromSlash(p.Directory))
}

// Reads tells whether an application that can read these schema versions can use the active snapshot.
func (p Pointer) Reads(versions ...string) bool {
	for _, own := range versions {
		for _, readable := range p.ReadableBy {
			if own == readable {
				return true
			}
		}
	}
	return false
}
