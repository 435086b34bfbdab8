"""The service, as programs and pages of this machine meet it: processes, sockets, bytes."""
