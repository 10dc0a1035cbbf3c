//! The paths of the pages.

use actix_web::{
    middleware::from_fn,
    web::{self, Data, ServiceConfig},
};

use super::{
    access::headers, assets, audit, keys, owners, page, replicas, services::Console, sessions, sign_in, usage,
};

/// Adds the pages to an application.
pub(crate) fn configure(app: &mut ServiceConfig, console: &Data<Console>) {
    app.app_data(console.clone());
    app.service(web::resource("/console/assets/{version}/{name}").route(web::get().to(assets::show)));
    let pages = web::scope("/console")
        .wrap(from_fn(headers::guard))
        .service(web::resource("").route(web::get().to(keys::home)))
        .service(web::resource("/sign-in").route(web::get().to(sign_in::begin)).route(web::post().to(sign_in::choose)))
        .service(web::resource("/signed-in").route(web::get().to(sign_in::finish)))
        .service(web::resource("/sign-out").route(web::post().to(sign_in::sign_out)))
        .service(web::resource("/signed-out").route(web::get().to(sign_in::signed_out)))
        .service(web::resource("/sessions").route(web::get().to(sessions::list)).route(web::post().to(sessions::end)))
        .service(web::resource("/usage").route(web::get().to(usage::show)))
        .service(web::resource("/audit").route(web::get().to(audit::list)))
        .service(web::resource("/find").route(web::post().to(keys::find)))
        .service(web::resource("/replicas").route(web::get().to(replicas::list)))
        .service(web::resource("/owners").route(web::get().to(owners::list)))
        .service(web::resource("/owners/one").route(web::get().to(owners::show)).route(web::post().to(owners::switch)))
        // Keys of whoever is signed in, and for administrators those of everybody.
        .configure(|scope| of_keys(scope, "/keys"))
        .configure(|scope| of_keys(scope, "/all/keys"))
        .default_service(web::to(page::not_found));
    app.service(pages);
}

fn of_keys(scope: &mut ServiceConfig, below: &str) {
    scope
        .service(web::resource(below).route(web::get().to(keys::list)).route(web::post().to(keys::create)))
        .service(web::resource(format!("{below}/new")).route(web::get().to(keys::ask)))
        .service(web::resource(format!("{below}/export")).route(web::get().to(keys::export)))
        .service(web::resource(format!("{below}/selected")).route(web::post().to(keys::change_selected)))
        .service(
            web::resource(format!("{below}/{{id}}"))
                .route(web::get().to(keys::show))
                .route(web::post().to(keys::change)),
        );
}
