package netmonitor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example/netmonitor/strata"
)

const today = "2025-12-09"

// program is the real sidecar: STRATA_PROGRAM has its words, one a line.
func program(t *testing.T) []string {
	t.Helper()
	words := os.Getenv("STRATA_PROGRAM")
	if words == "" {
		t.Skip("STRATA_PROGRAM names no sidecar: run npx vitest run test/e2e/example-go.test.ts")
	}
	return strings.Split(words, "\n")
}

func write(t *testing.T, path string, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path, past, past); err != nil {
		t.Fatal(err)
	}
}

// original is what the first release of NetMonitor left.
func original(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "config.json"), `{
  "regions": {"Default": {"endpoints": [{"name": "Google DNS", "type": "ICMP", "address": "8.8.8.8", "timeout": 1000}],
    "thresholds": {"latency_ms": 100, "availability_percent": 99}}},
  "settings": {"test_interval_minutes": 5, "data_retention_days": 90, "notifications_enabled": true}
}`)
	rows := make([]string, 4)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"ts":17652331%02d432,"id":"fd6a02b","ms":%d,"st":0,"err":null}`, i, 100+i)
	}
	write(t, filepath.Join(dir, "data", today+".json"), "["+strings.Join(rows, ",")+"]")
	return dir
}

func options(t *testing.T) Options {
	return Options{Store: filepath.Join(t.TempDir(), "store"), Original: original(t), Program: program(t), Reads: []string{"2.2.0"}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, a *App, want int) {
	t.Helper()
	got, err := a.Count(today)
	must(t, err)
	if got != want {
		t.Fatalf("%d records, not %d, in %s", got, want, a.Directory())
	}
}

func append1(t *testing.T, a *App, n int) {
	t.Helper()
	must(t, a.Append(today, Record{TS: 1765240000000 + int64(n), EndpointID: "fd6a02b", LatencyMs: 7, St: 0}))
}

func TestFirstStartMakesTheStoreUpgradesAndFollows(t *testing.T) {
	var phases []string
	var lock sync.Mutex
	o := options(t)
	o.OnProgress = func(p strata.MigrationProgress) {
		lock.Lock()
		defer lock.Unlock()
		phases = append(phases, p.Phase)
	}
	a := New(o)
	if a.Directory() != o.Original {
		t.Fatalf("before there is a store, it works on %s", a.Directory())
	}
	count(t, a, 4)
	a.Upgrade()
	defer a.Close()
	if a.Why() != "" || !strings.Contains(a.Directory(), "2.2.0-") {
		t.Fatalf("active is %s: %s", a.Directory(), a.Why())
	}
	count(t, a, 4)
	lock.Lock()
	defer lock.Unlock()
	if said := strings.Join(phases, " "); !strings.Contains(said, "migrating") || !strings.Contains(said, "done") {
		t.Fatalf("the window was told of: %s", said)
	}
}

func TestTheMethodsOfTheTask(t *testing.T) {
	a := New(options(t))
	a.Upgrade()
	defer a.Close()
	status, err := a.CheckMigrationsNeeded()
	must(t, err)
	if status.Needed || status.CurrentVersion != "2.2.0" || status.LastJob == nil || status.LastJob.Status != "completed" {
		t.Fatalf("%+v", status)
	}
	append1(t, a, 1)
	report, err := a.ValidateDataIntegrity()
	must(t, err)
	if !report.Valid || report.ErrorsFound != 0 || report.FilesChecked == 0 {
		t.Fatalf("%+v", report)
	}
	must(t, a.RollbackMigration(status.LastJob.ID))
	if !strings.Contains(a.Directory(), "1.0.0-") && a.Directory() != "" {
		t.Fatalf("after the rollback, active is %s", a.Directory())
	}
	status, err = a.CheckMigrationsNeeded()
	must(t, err)
	if status.State != "held" || status.CurrentVersion != "1.0.0" {
		t.Fatalf("%+v", status)
	}
	job, err := a.StartMigration()
	must(t, err)
	// The upgraded data is still there: returning to it is a switch, which needs no job of its own.
	if job.Status != "completed" || job.StartTime.IsZero() || job.EndTime == nil {
		t.Fatalf("%+v", job)
	}
	progress, err := a.GetMigrationStatus()
	must(t, err)
	if progress.Phase != "done" {
		t.Fatalf("%+v", progress)
	}
	a.follow()
	// What was written before the rollback went there and back.
	count(t, a, 5)
}

func TestASecondStartNeedsNoSidecarToFindTheData(t *testing.T) {
	o := options(t)
	first := New(o)
	first.Upgrade()
	append1(t, first, 1)
	first.Close()
	o.Program = []string{"/nonexistent/strata"}
	a := New(o)
	if a.Directory() != first.Directory() {
		t.Fatalf("it opened %s, not %s", a.Directory(), first.Directory())
	}
	count(t, a, 5)
	a.Upgrade()
	if a.Why() == "" || a.Directory() != first.Directory() {
		t.Fatalf("without its sidecar it should say so, and go on in %s: %q, %s", first.Directory(), a.Why(), a.Directory())
	}
	if _, err := a.CheckMigrationsNeeded(); err == nil {
		t.Fatal("it cannot know")
	}
}

func TestWithoutASidecarAndAStoreItWorksOnTheOriginal(t *testing.T) {
	broken := map[string][]string{
		"missing":       {"/nonexistent/strata"},
		"silent":        {"sleep", "60"},
		"crashed twice": {"sh", "-c", `echo x >> "$0"; exit 1`, ""},
	}
	for name, words := range broken {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			o.Silence = 200 * time.Millisecond
			log := filepath.Join(t.TempDir(), "starts")
			if name == "silent" {
				// It is asked for serve --stdio, which it does not understand.
				o.Program = []string{"sh", "-c", `echo x >> "$0"; exec sleep 60`, log}
			} else if name == "crashed twice" {
				o.Program = []string{"sh", "-c", `echo x >> "$0"; exit 1`, log}
			} else {
				o.Program = words
			}
			a := New(o)
			a.Upgrade()
			if a.Directory() != o.Original || a.Why() == "" {
				t.Fatalf("it works on %s and says %q", a.Directory(), a.Why())
			}
			count(t, a, 4)
			if starts, err := os.ReadFile(log); err == nil && string(starts) != "x\nx\n" {
				t.Fatalf("it was started %d times", strings.Count(string(starts), "x"))
			}
		})
	}
}

func TestMonitoringIsPausedDuringTheUpgrade(t *testing.T) {
	o := options(t)
	refused := make(chan error, 100)
	var a *App
	o.OnProgress = func(p strata.MigrationProgress) {
		if p.Phase == "migrating" {
			refused <- a.Append(today, Record{})
		}
	}
	a = New(o)
	a.Upgrade()
	defer a.Close()
	close(refused)
	for err := range refused {
		if !errors.Is(err, ErrPaused) {
			t.Fatalf("a measurement was written in the middle of it: %v", err)
		}
	}
	append1(t, a, 1)
	count(t, a, 5)
}

func TestItFollowsASwitchThatAnotherProcessMakes(t *testing.T) {
	o := options(t)
	o.Reads = []string{"1.0.0", "2.2.0"}
	a := New(o)
	a.Upgrade()
	defer a.Close()
	other, err := strata.Start(o.Program, o.Store, strata.Silence)
	must(t, err)
	defer other.Close()
	must(t, other.Call("RollbackMigration", struct{}{}, nil))
	for i := 0; i < 200 && !strings.Contains(a.Directory(), "1.0.0-"); i++ {
		time.Sleep(50 * time.Millisecond)
	}
	if !strings.Contains(a.Directory(), "1.0.0-") {
		t.Fatalf("it still works on %s", a.Directory())
	}
	count(t, a, 4)
}

// An older build, whose chain ends at 1.2.0: STRATA_OLD_MIGRATIONS has it.
func TestADowngradedApplicationGoesToWhatItCanReadExactly(t *testing.T) {
	o := options(t)
	a := New(o)
	a.Upgrade()
	append1(t, a, 1)
	a.Close()
	o.Reads = []string{"1.2.0"}
	o.Arguments = []string{"--migrations", os.Getenv("STRATA_OLD_MIGRATIONS")}
	old := New(o)
	if old.Directory() != "" || old.Why() == "" {
		t.Fatalf("it must not open %s", old.Directory())
	}
	old.Upgrade()
	defer old.Close()
	if !strings.Contains(old.Directory(), "1.2.0-") || old.Why() == "" {
		t.Fatalf("it works on %s and says %q", old.Directory(), old.Why())
	}
	// As it was before the upgrade went on from there; the new record stays with the newer version.
	count(t, old, 4)
}

func TestCarryingBackNeedsTheNewerVersion(t *testing.T) {
	o := options(t)
	a := New(o)
	a.Upgrade()
	append1(t, a, 1)
	a.Close()
	old, err := strata.Start(o.Program, o.Store, strata.Silence, "--migrations", os.Getenv("STRATA_OLD_MIGRATIONS"))
	must(t, err)
	defer old.Close()
	var refused *strata.Error
	err = old.Call("RollbackMigration", map[string]any{"reads": []string{"1.2.0"}}, nil)
	if !errors.As(err, &refused) || refused.Code != "NEEDS_NEWER_VERSION" {
		t.Fatalf("it said %v", err)
	}
}

func TestAPointerThatIsNotOneIsRefused(t *testing.T) {
	store := t.TempDir()
	if _, err := strata.Current(store); !errors.Is(err, strata.ErrNoStore) {
		t.Fatal(err)
	}
	good := `{"format":1,"storeId":"x","seq":1,"snapshot":"a","directory":"snapshots/a","schemaVersion":"1.0.0","readableBy":["1.0.0"],"hold":null}`
	for text, want := range map[string]error{
		"":        strata.ErrDamaged,
		good[:20]: strata.ErrDamaged,
		strings.Replace(good, `"format":1`, `"format":2`, 1):         strata.ErrNewer,
		strings.Replace(good, "snapshots/a", "snapshots/../../x", 1): strata.ErrDamaged,
		strings.Replace(good, "snapshots/a", "/etc", 1):              strata.ErrDamaged,
		strings.Replace(good, `["1.0.0"]`, `[]`, 1):                  strata.ErrDamaged,
		good: nil,
	} {
		write(t, filepath.Join(store, "CURRENT"), text)
		if _, err := strata.Current(store); !errors.Is(err, want) {
			t.Fatalf("%q: %v", text, err)
		}
	}
}
