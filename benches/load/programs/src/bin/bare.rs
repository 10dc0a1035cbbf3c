//! The least that answers what Keyward answers: no check, no middleware.

use actix_web::{HttpResponse, web};

fn main() -> std::io::Result<()> {
    load_programs::serve(|app| {
        app.route("/api/protected-resource", web::get().to(protected_resource));
    })
}

async fn protected_resource() -> HttpResponse {
    load_programs::granted()
}
