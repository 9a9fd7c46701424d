//! Figures for Prometheus: requests by route, and whatever `boot` registers as a gauge or counter.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use actix_web::http::StatusCode;

use super::routes::Routes;

/// Upper bounds of the buckets, in microseconds.
const BOUNDS_US: [u64; 10] =
    [250, 1_000, 2_500, 10_000, 25_000, 100_000, 250_000, 1_000_000, 10_000_000, 60_000_000];

/// What is counted of one route.
#[derive(Debug, Default)]
pub struct RouteMetrics {
    by_class: [AtomicU64; 6],
    buckets: [AtomicU64; BOUNDS_US.len()],
    total_us: AtomicU64,
    in_flight: AtomicU64,
}

/// A request that is not answered yet.
pub struct InFlight<'m>(&'m RouteMetrics);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl RouteMetrics {
    /// Counts a request until what is returned is dropped.
    pub fn begin(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self)
    }

    pub fn record(&self, status: StatusCode, took: Duration) {
        if let Some(count) = self.by_class.get(usize::from(status.as_u16() / 100)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.total_us.fetch_add(took, Ordering::Relaxed);
        let fits = BOUNDS_US.iter().position(|bound| took <= *bound);
        if let Some(bucket) = fits.and_then(|index| self.buckets.get(index)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn requests(&self) -> u64 {
        self.by_class.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    fn write(&self, text: &mut String, labels: &str) -> std::fmt::Result {
        let mut below = 0;
        for (bound, bucket) in BOUNDS_US.iter().zip(&self.buckets) {
            below += bucket.load(Ordering::Relaxed);
            let bound = *bound as f64 / 1e6;
            writeln!(text, "sealpost_http_seconds_bucket{{{labels},le=\"{bound}\"}} {below}")?;
        }
        let (count, total) = (self.requests(), self.total_us.load(Ordering::Relaxed));
        writeln!(text, "sealpost_http_seconds_bucket{{{labels},le=\"+Inf\"}} {count}")?;
        writeln!(text, "sealpost_http_seconds_sum{{{labels}}} {}", total as f64 / 1e6)?;
        writeln!(text, "sealpost_http_seconds_count{{{labels}}} {count}")
    }
}

/// What a figure means to Prometheus.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// It only grows.
    Counter,
    Gauge,
}

struct Figure {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    value: Box<dyn Fn() -> f64 + Send + Sync>,
}

/// Figures besides those of the routes.
#[derive(Default)]
pub struct Metrics(Vec<Figure>);

impl Metrics {
    /// `value` is asked whenever the figures are read.
    pub fn add(
        &mut self,
        kind: Kind,
        name: &'static str,
        help: &'static str,
        value: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.0.push(Figure { name, help, kind, value: Box::new(value) });
    }

    /// The text format of Prometheus.
    pub fn text(&self, routes: &Routes) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text, routes);
        text
    }

    fn write(&self, text: &mut String, routes: &Routes) -> std::fmt::Result {
        for Figure { name, help, kind, value } in &self.0 {
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {}", value())?;
        }
        let used = || routes.all().iter().filter(|route| route.metrics.requests() > 0);

        writeln!(text, "# HELP sealpost_http_in_flight Requests not answered yet.")?;
        writeln!(text, "# TYPE sealpost_http_in_flight gauge")?;
        for route in routes.all() {
            let count = route.metrics.in_flight.load(Ordering::Relaxed);
            if count > 0 {
                let labels = route.labels();
                writeln!(text, "sealpost_http_in_flight{{{labels}}} {count}")?;
            }
        }

        writeln!(text, "# HELP sealpost_http_requests_total Requests answered.")?;
        writeln!(text, "# TYPE sealpost_http_requests_total counter")?;
        for route in used() {
            for (class, count) in route.metrics.by_class.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = route.labels();
                    writeln!(
                        text,
                        "sealpost_http_requests_total{{{labels},status=\"{class}xx\"}} {count}"
                    )?;
                }
            }
        }

        writeln!(text, "# HELP sealpost_http_seconds How long answers took.")?;
        writeln!(text, "# TYPE sealpost_http_seconds histogram")?;
        for route in used() {
            route.metrics.write(text, &route.labels())?;
        }
        Ok(())
    }
}
