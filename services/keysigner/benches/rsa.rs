//! Which library signs faster on this machine: ring or aws-lc-rs, RSA-2048 and P-256 (ADR on cryptography crates). One
//! thread each; compare the figures of one run with each other, not with another machine's.

use std::hint::black_box;

use aws_lc_rs::{encoding::AsDer, rsa::KeySize};
use criterion::{Criterion, criterion_group, criterion_main};

/// About what an access token signs.
const MESSAGE: [u8; 512] = [0x61; 512];

fn rsa_2048(criterion: &mut Criterion) {
    let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der = pair.as_der().expect("its PKCS#8");
    let other = ring::rsa::KeyPair::from_pkcs8(der.as_ref()).expect("the same key");
    let mut signature = vec![0; pair.public_modulus_len()];
    let mut group = criterion.benchmark_group("rsa-2048-sign");
    group.bench_function("aws-lc-rs", |bencher| {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let padding = &aws_lc_rs::signature::RSA_PKCS1_SHA256;
        bencher.iter(|| pair.sign(padding, &random, black_box(&MESSAGE), &mut signature));
    });
    group.bench_function("ring", |bencher| {
        let random = ring::rand::SystemRandom::new();
        let padding = &ring::signature::RSA_PKCS1_SHA256;
        bencher.iter(|| other.sign(padding, &random, black_box(&MESSAGE), &mut signature));
    });
    group.finish();
}

fn p256(criterion: &mut Criterion) {
    let random = ring::rand::SystemRandom::new();
    let algorithm = &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let der = ring::signature::EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
    let pair = ring::signature::EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &random).expect("the key");
    let other = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        der.as_ref(),
    )
    .expect("the same key");
    let mut group = criterion.benchmark_group("p256-sign");
    group.bench_function("aws-lc-rs", |bencher| {
        let random = aws_lc_rs::rand::SystemRandom::new();
        bencher.iter(|| other.sign(&random, black_box(&MESSAGE)).map(drop));
    });
    group.bench_function("ring", |bencher| {
        bencher.iter(|| pair.sign(&random, black_box(&MESSAGE)).map(drop));
    });
    group.finish();
}

criterion_group! {
    name = signing;
    config = Criterion::default().without_plots();
    targets = rsa_2048, p256
}
criterion_main!(signing);
