//! The faults that every stand-in shares.

use sportello_tests::stand_ins::{Fault, Faults};

use super::Graph;

#[tokio::test]
async fn faults_strike_before_or_after_the_effect_and_only_where_armed() {
    let (graph, post) = Graph::start().await;
    let faults: &Faults = graph.facebook.faults();
    let replies = |text: &str| graph.facebook.replies().iter().filter(|reply| reply.text == text).count();

    faults.arm(Fault::Refuse { status: 503, retry_after_s: Some(7) }, &["POST ", "message=one"], 1);
    assert_eq!(graph.get(&format!("/v21.0/{post}"), &[]).await.status, 200, "other calls are served");
    let refused = graph.reply(&post, "one").await;
    assert_eq!((refused.status, refused.header("retry-after"), replies("one")), (503, "7", 0));
    assert_eq!((graph.reply(&post, "one").await.status, replies("one")), (200, 1), "it strikes once");

    faults.arm(Fault::RefuseAfterEffect { status: 502 }, &["message=two"], 1);
    assert_eq!((graph.reply(&post, "two").await.status, replies("two")), (502, 1), "the answer is lost, the effect is not");

    let post_form = async |text: &str| {
        let url = format!("{}/v21.0/{post}/comments", graph.facebook.graph_url());
        graph.http.post_form(&url, &[("message", text), ("access_token", &graph.facebook.access_token())]).await
    };
    for (fault, text, done) in [(Fault::NoAnswer, "neither", 0), (Fault::NoAnswerAfterEffect, "both", 1)] {
        faults.arm(fault, &[text], 1);
        let nothing = post_form(text).await;
        assert!(nothing.is_err(), "no answer comes: {nothing:?}");
        assert_eq!(replies(text), done, "{fault:?}");
    }

    faults.arm(Fault::BrokenBody, &["message=three"], 1);
    let broken = post_form("three").await;
    assert!(broken.is_err(), "the connection breaks: {broken:?}");
    assert_eq!(replies("three"), 1);

    let handle = faults.arm(Fault::HoldInVain, &["message=none"], 1);
    let lets_go = async {
        handle.struck(1).await;
        handle.release();
    };
    let (nothing, ()) = tokio::join!(post_form("none"), lets_go);
    assert!(nothing.is_err(), "no answer comes: {nothing:?}");
    assert_eq!((replies("none"), handle.count()), (0, 1));

    for (fault, text, done_while_held) in [(Fault::HoldBefore, "four", 0), (Fault::HoldAfter, "five", 1), (Fault::SlowBody, "six", 1)] {
        let handle = faults.arm(fault, &["POST ", text], 1);
        let watch = async {
            handle.struck(1).await;
            if done_while_held == 1 {
                while replies(text) == 0 {
                    tokio::task::yield_now().await;
                }
            }
            assert_eq!(replies(text), done_while_held, "{fault:?} while held");
            handle.release();
        };
        let (answer, ()) = tokio::join!(graph.reply(&post, text), watch);
        assert_eq!((answer.status, replies(text), handle.count()), (200, 1, 1), "{fault:?} after release");
    }
}

#[tokio::test]
async fn a_client_that_gives_up_leaves_the_effect_done() {
    let (graph, post) = Graph::start().await;
    let handle = graph.facebook.faults().arm(Fault::HoldAfter, &["message=late"], 1);
    let url = format!("{}/v21.0/{post}/comments", graph.facebook.graph_url());
    let token = graph.facebook.access_token();
    let form = [("message", "late"), ("access_token", token.as_str())];
    tokio::select! {
        answer = graph.http.post_form(&url, &form) => panic!("it is held: {answer:?}"),
        () = async {
            handle.struck(1).await;
            while graph.facebook.replies_to(&post).is_empty() {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    assert_eq!((handle.count(), graph.facebook.replies_to(&post).len()), (1, 1));
}
