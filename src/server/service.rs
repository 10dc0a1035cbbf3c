//! The service between actix-http and the application: it reads bodies within their limits, and tells the connection
//! when a response is complete.

use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready as when_ready},
};

use actix_http::{Request, Response};
use actix_service::{Service, ServiceFactory};
use actix_web::{
    Error, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::ServiceResponse,
    http::{ConnectionType, Version},
};
use futures_util::future::{Either, LocalBoxFuture};
use pin_project_lite::pin_project;

use super::{answer::AnswerBody, bodies::Bodies, budget::Reservation, exchange::Exchange};

/// The body of the application's response or of a refusal.
type Body<B> = AnswerBody<EitherBody<B>>;
/// The application's response or a refusal.
type Served<B> = Result<Either<ServiceResponse<B>, HttpResponse>, Error>;

/// Wraps an application's factory, so that requests are served within limits.
pub(super) struct Bounded<A> {
    pub(super) application: A,
    pub(super) bodies: Rc<Bodies>,
}

impl<A, B> ServiceFactory<Request> for Bounded<A>
where
    A: ServiceFactory<Request, Config = (), Response = ServiceResponse<B>, Error = Error>,
    A::Future: 'static,
    A::Service: 'static,
    B: MessageBody + Unpin + 'static,
{
    type Response = Response<Body<B>>;
    type Error = Error;
    type Config = ();
    type Service = BoundedService<A::Service>;
    type InitError = A::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Service, A::InitError>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let (application, bodies) = (self.application.new_service(()), Rc::clone(&self.bodies));
        Box::pin(async move { Ok(BoundedService { application: Rc::new(application.await?), bodies }) })
    }
}

/// Wraps an application, so that requests are served within limits.
pub(super) struct BoundedService<S> {
    application: Rc<S>,
    bodies: Rc<Bodies>,
}

impl<S, B> Service<Request> for BoundedService<S>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + Unpin + 'static,
{
    type Response = Response<Body<B>>;
    type Error = Error;
    type Future = Serving<S::Future, B>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.application.poll_ready(context)
    }

    fn call(&self, mut request: Request) -> Self::Future {
        let exchange = request.conn_data::<Rc<Exchange>>().cloned().unwrap_or_default();
        // Also for upgrade requests: no other protocol is supported, and actix-http ends the connection.
        exchange.is_last.set(request.head().connection_type() != ConnectionType::KeepAlive);
        // Most requests have no body.
        let answer = if self.bodies.go_on_at_once(&mut request, &exchange) {
            Answering::AtOnce { answer: self.application.call(request) }
        } else {
            let (application, bodies) = (Rc::clone(&self.application), Rc::clone(&self.bodies));
            let exchange = Rc::clone(&exchange);
            let answer = Box::pin(async move {
                match bodies.read(&mut request, &exchange).await {
                    Ok(_held) => application.call(request).await.map(Either::Left),
                    Err(refusal) => Ok(Either::Right(refusal)),
                }
            });
            Answering::AfterBody { answer }
        };
        Serving { answer, exchange, bodies: Rc::clone(&self.bodies) }
    }
}

pin_project! {
    /// The pending response.
    pub(super) struct Serving<F, B> {
        #[pin]
        answer: Answering<F, B>,
        exchange: Rc<Exchange>,
        bodies: Rc<Bodies>,
    }
}

pin_project! {
    #[project = AnsweringProjection]
    enum Answering<F, B> {
        AtOnce { #[pin] answer: F },
        AfterBody { answer: LocalBoxFuture<'static, Served<B>> },
    }
}

impl<F, B> Future for Serving<F, B>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody + 'static,
{
    type Output = Result<Response<Body<B>>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let served = match this.answer.project() {
            AnsweringProjection::AtOnce { answer } => when_ready!(answer.poll(context)).map(Either::Left),
            AnsweringProjection::AfterBody { answer } => when_ready!(answer.as_mut().poll(context)),
        };
        let (response, held) = match served {
            Ok(Either::Left(response)) => this.bodies.within_budget(response),
            Ok(Either::Right(refusal)) => (refusal.map_into_right_body(), None),
            Err(error) => (HttpResponse::from_error(error).map_into_right_body(), None),
        };
        let is_scarce = this.exchange.is_costly.get() && this.bodies.budget.is_scarce();
        Poll::Ready(Ok(on_its_way(response.into(), Rc::clone(this.exchange), held, is_scarce)))
    }
}

fn on_its_way<B>(
    mut response: Response<EitherBody<B>>,
    exchange: Rc<Exchange>,
    held: Option<Reservation>,
    is_scarce: bool,
) -> Response<Body<B>> {
    let is_whole = exchange.is_whole.get();
    if !is_whole {
        // The rest of the request has not arrived, and nobody will read it.
        exchange.is_enough.set(true);
    }
    let head = response.head_mut();
    // actix-http reuses heads with the version of the previous response, which can make this response look like the
    // last one.
    head.version = Version::HTTP_11;
    // An idle connection must not hold memory that other clients need.
    if !is_whole || is_scarce || exchange.is_last.get() {
        head.set_connection_type(ConnectionType::Close);
    }
    exchange.is_last.set(head.connection_type() == ConnectionType::Close);
    response.map_body(|_, body| AnswerBody::new(body, exchange, held))
}
