// Package netmonitor is the part of an application like NetMonitor that keeps its data in a Strata store.
package netmonitor

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"example/netmonitor/strata"
)

// Options say where things are. Reads: the schema versions that this build of the application can read, its own included.
type Options struct {
	Store    string
	Original string
	Program  []string
	Reads    []string
	Silence  time.Duration // default: strata.Silence
	// Arguments are further ones for the sidecar, such as --migrations.
	Arguments []string
	// OnProgress shows a migration in the window.
	OnProgress func(strata.MigrationProgress)
}

// App is bound to the window: Wails calls its exported methods from the page.
type App struct {
	options Options
	sidecar *strata.Sidecar

	lock      sync.Mutex
	directory string
	version   string
	paused    bool
	why       string
}

// New opens the data before the window does, from CURRENT alone: no sidecar, no waiting. Without a store, or with one that this
// build cannot read, it works on the original directory until Upgrade has found better.
func New(options Options) *App {
	if options.Silence == 0 {
		options.Silence = strata.Silence
	}
	a := &App{options: options}
	a.follow()
	return a
}

// follow opens what CURRENT names now.
func (a *App) follow() {
	pointer, err := strata.Current(a.options.Store)
	a.lock.Lock()
	defer a.lock.Unlock()
	switch {
	case err == nil && pointer.Reads(a.options.Reads...):
		a.directory, a.version = pointer.Path(a.options.Store), pointer.SchemaVersion
	case err == nil:
		a.directory, a.version = "", pointer.SchemaVersion
		a.why = "the data is of version " + pointer.SchemaVersion + ", which this version of the application cannot read"
	default:
		a.directory, a.version = a.options.Original, ""
		if !errors.Is(err, strata.ErrNoStore) {
			a.why = err.Error()
		}
	}
}

// Directory is where the data is now; empty while this build can read nothing of it.
func (a *App) Directory() string {
	a.lock.Lock()
	defer a.lock.Unlock()
	return a.directory
}

// Why says, for the settings page, why the data was not upgraded; empty where nothing stood in the way.
func (a *App) Why() string {
	a.lock.Lock()
	defer a.lock.Unlock()
	return a.why
}

func (a *App) pause(paused bool) {
	a.lock.Lock()
	a.paused = paused
	a.lock.Unlock()
}

func (a *App) because(why string) {
	a.lock.Lock()
	a.why = why
	a.lock.Unlock()
}

// ErrPaused: a measurement is kept by the caller, and written when monitoring goes on.
var ErrPaused = errors.New("monitoring is paused")

// attempts: a sidecar that ended once may have been unlucky; twice, the application goes on without it.
const attempts = 2

// Upgrade starts the sidecar, makes the store or upgrades it with monitoring paused, and opens what is active then. Whatever goes
// wrong, the application goes on with the data as it was; Why tells the reason.
func (a *App) Upgrade() {
	a.pause(true)
	defer a.pause(false)
	var err error
	for attempt := 0; attempt < attempts; attempt++ {
		if err = a.start(); err == nil || !errors.Is(err, strata.ErrGone) {
			break
		}
		a.Close()
	}
	a.follow()
	if err != nil {
		a.because(err.Error())
	}
}

func (a *App) start() error {
	sidecar, err := strata.Start(a.options.Program, a.options.Store, a.options.Silence, a.options.Arguments...)
	if err != nil {
		return err
	}
	a.sidecar = sidecar
	sidecar.OnProgress = a.options.OnProgress
	// Another process (the command line, the page) may switch at any time.
	sidecar.OnChanged = a.follow
	var started strata.Started
	params := map[string]any{"migrate": true, "reads": a.options.Reads, "from": []string{a.options.Original}}
	if err := sidecar.Call("Start", params, &started); err != nil {
		return err
	}
	if !started.Readable {
		return a.downgraded()
	}
	if started.Error != nil {
		return started.Error
	}
	a.because("")
	return nil
}

// downgraded goes to the newest snapshot that this older build can read, exactly as it was then: no migration code is needed for
// that. What was written since stays where it is, for the newer build.
func (a *App) downgraded() error {
	params := map[string]any{"reads": a.options.Reads, "exact": true}
	if err := a.sidecar.Call("RollbackMigration", params, nil); err != nil {
		return err
	}
	a.because("an older version of the application was started: it works on the data as it was before the upgrade")
	return nil
}

// Close ends the sidecar. The application may go on: it needs it for nothing but changes of version.
func (a *App) Close() {
	if a.sidecar != nil {
		a.sidecar.Close()
	}
	a.sidecar = nil
}

var errNoSidecar = &strata.Error{Code: "NO_SIDECAR", Message: "the sidecar is not running", Hint: "Start the application again."}

func (a *App) call(method string, params any, result any) error {
	if a.sidecar == nil {
		return errNoSidecar
	}
	return a.sidecar.Call(method, params, result)
}

// CheckMigrationsNeeded tells what there is, and whether a newer version of the data is waiting.
func (a *App) CheckMigrationsNeeded() (*strata.MigrationStatus, error) {
	status := new(strata.MigrationStatus)
	return status, a.call("CheckMigrationsNeeded", struct{}{}, status)
}

// StartMigration records a migration and lets it run; GetMigrationStatus and OnProgress follow it.
func (a *App) StartMigration() (*strata.MigrationJob, error) {
	job := new(strata.MigrationJob)
	return job, a.call("StartMigration", struct{}{}, job)
}

// GetMigrationStatus tells how far it is.
func (a *App) GetMigrationStatus() (*strata.MigrationProgress, error) {
	progress := new(strata.MigrationProgress)
	return progress, a.call("GetMigrationStatus", struct{}{}, progress)
}

// RollbackMigration goes back to before a job; empty: the last one. What was written since comes along.
func (a *App) RollbackMigration(migrationID string) error {
	a.pause(true)
	defer a.pause(false)
	err := a.call("RollbackMigration", map[string]any{"migrationID": migrationID}, nil)
	a.follow()
	return err
}

// ValidateDataIntegrity reads and compares every byte; it changes nothing.
func (a *App) ValidateDataIntegrity() (*strata.ValidationReport, error) {
	report := new(strata.ValidationReport)
	return report, a.call("ValidateDataIntegrity", struct{}{}, report)
}

// Record is a measurement in the form that schema 2.2.0 keeps it in: St is 0 for a success, 1 for a failure.
type Record struct {
	TS         int64   `json:"ts"`
	EndpointID string  `json:"endpoint_id"`
	LatencyMs  float64 `json:"latency_ms"`
	St         int     `json:"st"`
}

type day struct {
	Header  json.RawMessage   `json:"header"`
	Date    string            `json:"date"`
	Offset  *string           `json:"utcOffset,omitempty"`
	Results []json.RawMessage `json:"results"`
}

func (a *App) dayFile(date string) (string, error) {
	a.lock.Lock()
	defer a.lock.Unlock()
	if a.paused {
		return "", ErrPaused
	}
	return filepath.Join(a.directory, "data", date+".json"), nil
}

// Append adds a measurement to a day, as the application does: the whole file is written again, in place.
func (a *App) Append(date string, record Record) error {
	path, err := a.dayFile(date)
	if err != nil {
		return err
	}
	bytes, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var d day
	if err := json.Unmarshal(bytes, &d); err != nil {
		return err
	}
	row, err := json.Marshal(record)
	if err != nil {
		return err
	}
	d.Results = append(d.Results, row)
	whole, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, whole, 0o644)
}

// Count tells how many measurements a day has, for a chart.
func (a *App) Count(date string) (int, error) {
	path, err := a.dayFile(date)
	if err != nil {
		return 0, err
	}
	bytes, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var bare []json.RawMessage
	if json.Unmarshal(bytes, &bare) == nil {
		return len(bare), nil
	}
	var d day
	err = json.Unmarshal(bytes, &d)
	return len(d.Results), err
}
