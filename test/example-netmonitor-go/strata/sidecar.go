package strata

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"
)

// Error is what the sidecar refused, by code. Codes are stable; messages are for people.
type Error struct {
	Code    string         `json:"code"`
	Message string         `json:"message"`
	Hint    string         `json:"hint"`
	Data    map[string]any `json:"data"`
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// ErrGone: the sidecar has ended, or has said nothing for too long.
var ErrGone = errors.New("the sidecar does not answer")

// Silence is how long the sidecar may say nothing while it is asked for something: progress counts as an answer.
const Silence = 10 * time.Second

type message struct {
	ID     *int64          `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
		Data    Error  `json:"data"`
	} `json:"error"`
}

// Sidecar is one `strata serve --stdio`: one process, no port; it ends when its input ends, so also when the application does.
type Sidecar struct {
	// OnProgress and OnChanged are called from a goroutine of the sidecar's; set them before the first Call.
	OnProgress func(MigrationProgress)
	OnChanged  func()

	silence time.Duration
	process *exec.Cmd
	input   io.WriteCloser
	heard   chan struct{}
	ended   chan struct{}

	lock    sync.Mutex
	next    int64
	waiting map[int64]chan message
}

// Start starts the sidecar for a store: `program` is the single executable, or `node` and `strata.mjs`.
func Start(program []string, store string, silence time.Duration, more ...string) (*Sidecar, error) {
	if len(program) == 0 {
		return nil, fmt.Errorf("%w: no program is named", ErrGone)
	}
	args := append(append([]string{}, program[1:]...), "--store", store)
	process := exec.Command(program[0], append(append(args, more...), "serve", "--stdio")...)
	input, err := process.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrGone, err)
	}
	s := &Sidecar{
		silence: silence, process: process, input: input,
		heard: make(chan struct{}, 1), ended: make(chan struct{}), waiting: map[int64]chan message{},
	}
	go s.listen(output)
	return s, nil
}

func (s *Sidecar) listen(output io.Reader) {
	lines := bufio.NewReaderSize(output, 64*1024)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var m message
		if json.Unmarshal(line, &m) != nil {
			continue
		}
		select {
		case s.heard <- struct{}{}:
		default:
		}
		s.take(m)
	}
	close(s.ended)
	_ = s.process.Wait()
}

func (s *Sidecar) take(m message) {
	switch {
	case m.Method == "progress" && s.OnProgress != nil:
		var progress MigrationProgress
		if json.Unmarshal(m.Params, &progress) == nil {
			s.OnProgress(progress)
		}
	case m.Method == "changed" && s.OnChanged != nil:
		s.OnChanged()
	case m.ID != nil:
		s.lock.Lock()
		answer := s.waiting[*m.ID]
		delete(s.waiting, *m.ID)
		s.lock.Unlock()
		if answer != nil {
			answer <- m
		}
	}
}

// Call asks for one method. `result` may be nil. The error is an *Error where the sidecar refused, else ErrGone.
func (s *Sidecar) Call(method string, params any, result any) error {
	answer := make(chan message, 1)
	s.lock.Lock()
	s.next++
	id := s.next
	s.waiting[id] = answer
	line, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "method": method, "params": params})
	if err == nil {
		_, err = s.input.Write(append(line, '\n'))
	}
	s.lock.Unlock()
	if err != nil {
		return fmt.Errorf("%w: %v", ErrGone, err)
	}
	for {
		patience := time.NewTimer(s.silence)
		select {
		case m := <-answer:
			patience.Stop()
			return settle(m, result)
		case <-s.heard:
			patience.Stop()
		case <-s.ended:
			patience.Stop()
			// What it said last may have been the answer.
			select {
			case m := <-answer:
				return settle(m, result)
			default:
				return fmt.Errorf("%w: it has ended", ErrGone)
			}
		case <-patience.C:
			return fmt.Errorf("%w: nothing for %v", ErrGone, s.silence)
		}
	}
}

func settle(m message, result any) error {
	if m.Error != nil {
		refused := m.Error.Data
		refused.Message = m.Error.Message
		return &refused
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(m.Result, result)
}

// Close ends the sidecar: it answers what it was asked, cancels a job that nobody waits for, and goes. One that does not is killed.
func (s *Sidecar) Close() {
	_ = s.input.Close()
	select {
	case <-s.ended:
	case <-time.After(s.silence):
		_ = s.process.Process.Kill()
		<-s.ended
	}
}
