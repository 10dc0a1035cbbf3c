//! The usual ways to keep a limit on several servers: each request asks a counter that all of them share. For
//! limits.sh.
//!
//! The look-up of the key is in memory, which flatters this program. The one key that it knows is in API_KEY. The
//! counter is a number in the Redis of REDIS_URL, or a row in the Postgres of DATABASE_URL, whichever is there.

use std::{env, error::Error, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    rt::System,
    web::{self, Data},
};
use redis::aio::MultiplexedConnection;
use sqlx::{PgPool, postgres::PgPoolOptions};

/// As many connections as Keyward has for requests.
const CONNECTIONS: u32 = 10;
const WINDOW_SECONDS: i64 = 3600;
const LIMIT: i64 = 1_000_000_000;

enum Counter {
    Redis(MultiplexedConnection),
    Postgres(PgPool),
}

struct Served {
    key: String,
    counter: Counter,
}

fn main() -> Result<(), Box<dyn Error>> {
    let key = env::var("API_KEY")?;
    System::new().block_on(async {
        let served = Data::from(Arc::new(Served { key, counter: counter().await? }));
        load_programs::run(move |app| {
            app.app_data(served.clone()).route("/api/protected-resource", web::get().to(protected_resource));
        })
        .await?;
        Ok(())
    })
}

async fn counter() -> Result<Counter, Box<dyn Error>> {
    if let Ok(url) = env::var("REDIS_URL") {
        let client = redis::Client::open(url)?;
        return Ok(Counter::Redis(client.get_multiplexed_async_connection().await?));
    }
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&env::var("DATABASE_URL")?).await?;
    let table = "CREATE TABLE IF NOT EXISTS counted (key text, begins_at bigint, used bigint NOT NULL, PRIMARY KEY (key, begins_at))";
    sqlx::raw_sql(table).execute(&pool).await?;
    Ok(Counter::Postgres(pool))
}

async fn protected_resource(request: HttpRequest, served: Data<Served>) -> HttpResponse {
    let presented = request.headers().get("x-api-key").and_then(|value| value.to_str().ok());
    let Some(key) = presented.filter(|key| *key == served.key) else { return HttpResponse::Unauthorized().finish() };
    match served.counter.count(key).await {
        Ok(used) if used <= LIMIT => load_programs::granted(),
        Ok(_) => HttpResponse::TooManyRequests().finish(),
        Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}

impl Counter {
    async fn count(&self, key: &str) -> Result<i64, Box<dyn Error>> {
        match self {
            Self::Redis(connection) => {
                let mut connection = connection.clone();
                let used: i64 = redis::cmd("INCR").arg(key).query_async(&mut connection).await?;
                if used == 1 {
                    redis::cmd("EXPIRE").arg(key).arg(WINDOW_SECONDS).query_async::<()>(&mut connection).await?;
                }
                Ok(used)
            }
            Self::Postgres(pool) => {
                let count = "INSERT INTO counted VALUES ($1, extract(epoch FROM now())::bigint / $2, 1)
                             ON CONFLICT (key, begins_at) DO UPDATE SET used = counted.used + 1 RETURNING used";
                Ok(sqlx::query_scalar(count).bind(key).bind(WINDOW_SECONDS).fetch_one(pool).await?)
            }
        }
    }
}
