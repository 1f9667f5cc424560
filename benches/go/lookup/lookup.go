// Looks up 10,000 names from 1,000 goroutines while 100 versions per second are written. Prints Markdown.
package main

import (
	"fmt"
	"runtime"
	"sort"
	"sync"
	"time"
)

const names, readers, turns, batch = 10000, 1000, 40, 256

var keys [names]string

type shelf interface {
	look(name string) int
	replace(name string)
}

type syncMap struct{ sync.Map }

func (s *syncMap) look(name string) int {
	found, _ := s.Load(name)
	return len(*found.(*string))
}
func (s *syncMap) replace(name string) { text := "<p>1</p>"; s.Store(name, &text) }

type lockedMap struct {
	sync.RWMutex
	texts map[string]*string
}

func (s *lockedMap) look(name string) int {
	s.RLock()
	defer s.RUnlock()
	return len(*s.texts[name])
}
func (s *lockedMap) replace(name string) {
	text := "<p>1</p>"
	s.Lock()
	s.texts[name] = &text
	s.Unlock()
}

func run(s shelf) float64 {
	done := make(chan bool)
	go func() {
		for at := 0; ; at = (at + 7919) % names {
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
				s.replace(keys[at])
			}
		}
	}()
	var wait sync.WaitGroup
	var total int
	start := time.Now()
	for reader := 0; reader < readers; reader++ {
		wait.Add(1)
		go func(at int) {
			defer wait.Done()
			sum := 0
			for turn := 0; turn < turns*batch; turn++ {
				sum += s.look(keys[at])
				at = (at*21 + 7) % names
			}
			if sum == 0 {
				total++
			}
		}(reader * 37 % names)
	}
	wait.Wait()
	elapsed := time.Since(start)
	close(done)
	processors := runtime.GOMAXPROCS(0)
	return float64(elapsed.Nanoseconds()) * float64(processors) / float64(readers*turns*batch)
}

func main() {
	for number := range keys {
		keys[number] = fmt.Sprintf("pages/%02d/%d.html", number/100, number)
	}
	shared, locked := &syncMap{}, &lockedMap{texts: map[string]*string{}}
	for _, key := range keys {
		shared.replace(key)
		locked.replace(key)
	}
	var of [2][]float64
	for round := 0; round < 7; round++ {
		of[0] = append(of[0], run(shared))
		of[1] = append(of[1], run(locked))
	}
	fmt.Printf("| %s | median |\n|---|---:|\n", runtime.Version())
	for at, name := range []string{"sync.Map", "map and RWMutex"} {
		sort.Float64s(of[at])
		fmt.Printf("| %s | %.1f ns |\n", name, of[at][3])
	}
}
