//! The paths of the pages.

use actix_web::{
    Route, guard,
    middleware::from_fn,
    web::{self, Data, ServiceConfig},
};

use super::{
    access::headers::{self, HANDED_OVER},
    administrators, assets, audit, fault, keys, owners, people, plans,
    services::Console,
    usage,
};

/// Adds the pages to an application.
pub(crate) fn configure(app: &mut ServiceConfig, console: &Data<Console>) {
    app.app_data(console.clone());
    app.service(web::resource("/console/assets/{version}/{name}").route(page().to(assets::show)));
    // Sent by the provider, and not by a page of ours.
    app.service(web::resource("/console/back-channel-logout").route(web::post().to(people::back_channel_logout)));
    let pages = web::scope("/console")
        .wrap(from_fn(headers::guard))
        .service(web::resource("").route(page().to(keys::home)))
        .service(web::resource("/").route(page().to(keys::to_home)))
        .service(web::resource("/sign-in").route(page().to(people::begin)).route(web::post().to(people::choose)))
        .service(web::resource("/signed-in").route(page().to(people::finish)))
        .service(web::resource("/sign-out").route(page().to(keys::to_home)).route(web::post().to(people::sign_out)))
        .service(web::resource("/signed-out").route(page().to(people::signed_out)))
        .service(web::resource(HANDED_OVER).route(page().to(people::ask)).route(web::post().to(people::accept)))
        .service(web::resource("/sessions").route(page().to(people::list)).route(web::post().to(people::end)))
        .service(web::resource("/usage").route(page().to(usage::show)))
        .service(web::resource("/audit").route(page().to(audit::list)))
        .service(web::resource("/audit/export").route(page().to(audit::export)))
        .service(web::resource("/search").route(page().to(keys::to_home)).route(web::post().to(keys::search)))
        .service(web::resource("/find").route(page().to(keys::to_home)).route(web::post().to(keys::find)))
        .service(web::resource("/overview").route(page().to(administrators::overview)))
        .service(
            web::resource("/all/sessions").route(page().to(people::list_all)).route(web::post().to(people::end_any)),
        )
        .service(web::resource("/replicas").route(page().to(administrators::replicas)))
        .service(web::resource("/owners").route(page().to(owners::list)))
        .service(web::resource("/owners/one").route(page().to(owners::show)).route(web::post().to(owners::change)))
        .service(web::resource("/plan").route(page().to(plans::show_own)))
        .service(web::resource("/plans").route(page().to(plans::list)).route(web::post().to(plans::create)))
        .service(web::resource("/plans/new").route(page().to(plans::ask)))
        .service(web::resource("/plans/one").route(page().to(plans::show)).route(web::post().to(plans::change)))
        // Keys of whoever is signed in, and for administrators those of everybody.
        .configure(|scope| of_keys(scope, "/keys"))
        .configure(|scope| of_keys(scope, "/all/keys"))
        .default_service(web::to(fault::not_found));
    app.service(pages);
}

/// Whether this is a path of the console, for people who look at pages.
pub(crate) fn has_page(path: &str) -> bool {
    path.strip_prefix("/console").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whoever may get a page may ask for its head.
fn page() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

fn of_keys(scope: &mut ServiceConfig, below: &str) {
    scope
        .service(web::resource(below).route(page().to(keys::list)).route(web::post().to(keys::create)))
        .service(web::resource(format!("{below}/new")).route(page().to(keys::ask)))
        .service(web::resource(format!("{below}/export")).route(page().to(keys::export)))
        .service(
            web::resource(format!("{below}/matching"))
                .route(page().to(keys::to_list))
                .route(web::post().to(keys::revoke_matching)),
        )
        .service(
            web::resource(format!("{below}/selected"))
                .route(page().to(keys::to_list))
                .route(web::post().to(keys::change_selected)),
        )
        .service(
            web::resource(format!("{below}/{{id}}")).route(page().to(keys::show)).route(web::post().to(keys::change)),
        );
}
