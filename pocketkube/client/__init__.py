"""How components talk to an API server: REST client, informers, workqueue, leader election, event recorder."""
