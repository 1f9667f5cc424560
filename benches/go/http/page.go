// Serves the realistic page with net/http and html/template: templates in a sync.Map, parsed again when fsnotify reports a change.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"

	"github.com/fsnotify/fsnotify"
)

type page struct {
	Language, Title, Intro string
	Head                   struct{ Title, Shop, Description string }
	Header                 struct {
		Shop string
		User *struct {
			Name, Url string
			Basket    int
		}
	}
	Nav struct {
		Links []struct {
			Label, Url string
			Is_current bool
		}
	}
	Products []struct {
		Id        int
		Name, Url string
		Price     float64
		Was       *float64
		Stock     int
		Is_new    bool
		Tags      []string
		About     string
	}
	Footer struct{ Name, Street, City, Mail string }
}

const directory = "../../templates/go"

var templates sync.Map

func load() {
	set, err := template.ParseGlob(directory + "/*.html")
	if err != nil {
		log.Print(err)
		return
	}
	templates.Store("page.html", set)
}

func watch() {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		log.Fatal(err)
	}
	if err := watcher.Add(directory); err != nil {
		log.Fatal(err)
	}
	for range watcher.Events {
		load()
	}
}

func main() {
	var data page
	if err := json.NewDecoder(os.Stdin).Decode(&data); err != nil {
		log.Fatal(err)
	}
	load()
	go watch()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		found, _ := templates.Load("page.html")
		var body bytes.Buffer
		if err := found.(*template.Template).ExecuteTemplate(&body, "page.html", &data); err != nil {
			http.Error(w, "it does not render", http.StatusInternalServerError)
			return
		}
		w.Header().Set("content-type", "text/html; charset=utf-8")
		w.Header().Set("content-length", strconv.Itoa(body.Len()))
		w.Write(body.Bytes())
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, nil))
}
