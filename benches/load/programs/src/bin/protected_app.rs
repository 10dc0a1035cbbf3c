//! Somebody else's application with Keyward's middleware before one of two routes that are the same otherwise.
//! Wants DATABASE_URL and KEYWARD_PEPPER of the Keyward that makes the keys.

use std::{env, error::Error};

use actix_web::{HttpResponse, rt::System, web};
use keyward::{Keyward, Pepper, Protect, SecretString, Settings};

fn main() -> Result<(), Box<dyn Error>> {
    let database = SecretString::new(env::var("DATABASE_URL")?);
    let pepper = Pepper::new(SecretString::new(env::var("KEYWARD_PEPPER")?))?;
    System::new().block_on(async {
        let keyward = Keyward::connect(Settings::new(database, vec![pepper])).await?;
        load_programs::run(move |app| {
            let protect = Protect::new(keyward.clone());
            app.service(web::resource("/protected").wrap(protect).route(web::get().to(resource)))
                .service(web::resource("/unprotected").route(web::get().to(resource)));
        })
        .await?;
        Ok(())
    })
}

async fn resource() -> HttpResponse {
    load_programs::granted()
}
