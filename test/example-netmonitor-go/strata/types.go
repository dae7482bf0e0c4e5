package strata

import "time"

// The data structures of the sidecar's answers. Members are never absent; a nullable one is a pointer.

type PlanStep struct {
	Version     string   `json:"version"`
	Description string   `json:"description"`
	Changes     []string `json:"changes"`
	Reversible  bool     `json:"reversible"`
}

type MigrationJob struct {
	ID             string     `json:"id"`
	FromVersion    string     `json:"fromVersion"`
	ToVersion      string     `json:"toVersion"`
	Status         string     `json:"status"` // "pending", "running", "completed", "failed"
	StartTime      time.Time  `json:"startTime"`
	EndTime        *time.Time `json:"endTime"`
	FilesProcessed int        `json:"filesProcessed"`
	TotalFiles     int        `json:"totalFiles"`
	BackupPath     string     `json:"backupPath"`
	Error          string     `json:"error"`
	ErrorCode      *string    `json:"errorCode"`
}

type MigrationStatus struct {
	Needed         bool          `json:"needed"`
	CurrentVersion string        `json:"currentVersion"`
	TargetVersion  string        `json:"targetVersion"`
	State          string        `json:"state"` // "no-store", "up-to-date", "pending", "running", "held", "newer", "failed-repeatedly"
	Pending        []PlanStep    `json:"pending"`
	Snapshot       string        `json:"snapshot"`
	Directory      string        `json:"directory"`
	Files          int           `json:"files"`
	Bytes          int64         `json:"bytes"`
	HeldSince      *time.Time    `json:"heldSince"`
	LastJob        *MigrationJob `json:"lastJob"`
}

type Step struct {
	Index       int    `json:"index"`
	Total       int    `json:"total"`
	Version     string `json:"version"`
	Description string `json:"description"`
}

type MigrationProgress struct {
	Job              *MigrationJob `json:"job"`
	Phase            string        `json:"phase"` // "idle", "planning", "backup", "migrating", "verifying", "activating", "done"
	Step             *Step         `json:"step"`
	FilesDone        int           `json:"filesDone"`
	FilesTotal       int           `json:"filesTotal"`
	BytesDone        int64         `json:"bytesDone"`
	BytesTotal       int64         `json:"bytesTotal"`
	RemainingSeconds *float64      `json:"remainingSeconds"`
	SafeToClose      bool          `json:"safeToClose"`
	Cancellable      bool          `json:"cancellable"`
}

type Issue struct {
	Severity string  `json:"severity"`
	Code     string  `json:"code"`
	Message  string  `json:"message"`
	Hint     string  `json:"hint"`
	File     *string `json:"file"`
	Record   *int    `json:"record"`
	Count    int     `json:"count"`
}

type ValidationReport struct {
	Valid         bool    `json:"valid"`
	FilesChecked  int     `json:"filesChecked"`
	ErrorsFound   int     `json:"errorsFound"`
	WarningsFound int     `json:"warningsFound"`
	Issues        []Issue `json:"issues"`
}

// Started is the answer to Start: where the data is now, and why it was not upgraded, if it was not.
type Started struct {
	Directory     string  `json:"directory"`
	Snapshot      string  `json:"snapshot"`
	SchemaVersion string  `json:"schemaVersion"`
	Readable      bool    `json:"readable"`
	Migrated      bool    `json:"migrated"`
	Error         *Error  `json:"error"`
	Findings      []Issue `json:"findings"`
}
