//! Devices.

use std::{collections::BTreeMap, sync::Arc};

use crate::conformance::{Subject, cases, fixtures::Maker};

cases![
    a_device_is_written_whole_and_the_last_write_wins,
    devices_are_listed_oldest_first,
    a_removed_device_is_gone,
    one_device_id_in_two_accounts_is_two_devices,
];

async fn a_device_is_written_whole_and_the_last_write_wins(s: Arc<Subject>) {
    let make = Maker::new(1);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let first = make.device(account.uid, sign_in.session.id);
    assert_eq!(
        s.account_writer.put_device(&make.call(), first.clone()).await,
        Ok(())
    );
    assert_eq!(s.devices(account.uid).await, vec![first.clone()]);

    let mut second = make.device(account.uid, sign_in.session.id);
    second.id = first.id;
    second.name = String::new();
    second.push = None;
    second.available_commands = BTreeMap::new();
    assert_eq!(
        s.account_writer.put_device(&make.call(), second.clone()).await,
        Ok(())
    );
    assert_eq!(s.devices(account.uid).await, vec![second]);
}

async fn devices_are_listed_oldest_first(s: Arc<Subject>) {
    let make = Maker::new(2);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let devices = [(); 3].map(|()| make.device(account.uid, sign_in.session.id));
    for i in [1, 2, 0] {
        let put = s
            .account_writer
            .put_device(&make.call(), devices[i].clone())
            .await;
        assert_eq!(put, Ok(()));
    }
    assert_eq!(s.devices(account.uid).await, devices.to_vec());
}

async fn a_removed_device_is_gone(s: Arc<Subject>) {
    let make = Maker::new(3);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let [gone, left] = [(); 2].map(|()| make.device(account.uid, sign_in.session.id));
    for device in [&gone, &left] {
        assert_eq!(
            s.account_writer.put_device(&make.call(), device.clone()).await,
            Ok(())
        );
    }
    for _ in 0..2 {
        let done = s
            .account_writer
            .delete_device(&make.call(), account.uid, gone.id)
            .await;
        assert_eq!(done, Ok(()), "removing one that is gone is done, too");
    }
    assert_eq!(s.devices(account.uid).await, vec![left]);
    assert!(
        s.session(sign_in.session.id).await.is_some(),
        "its session is another matter"
    );
}

async fn one_device_id_in_two_accounts_is_two_devices(s: Arc<Subject>) {
    let make = Maker::new(4);
    let (ann, ann_in) = s.signed_up(&make, "ann@example.test").await;
    let (bob, bob_in) = s.signed_up(&make, "bob@example.test").await;
    let of_ann = make.device(ann.uid, ann_in.session.id);
    let mut of_bob = make.device(bob.uid, bob_in.session.id);
    of_bob.id = of_ann.id;
    for device in [&of_ann, &of_bob] {
        assert_eq!(
            s.account_writer.put_device(&make.call(), device.clone()).await,
            Ok(())
        );
    }
    let removed = s
        .account_writer
        .delete_device(&make.call(), bob.uid, of_bob.id)
        .await;
    assert_eq!(removed, Ok(()));
    assert_eq!(s.devices(ann.uid).await, vec![of_ann]);
    assert_eq!(s.devices(bob.uid).await, vec![]);
}
