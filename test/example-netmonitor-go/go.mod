module example/netmonitor

go 1.19
