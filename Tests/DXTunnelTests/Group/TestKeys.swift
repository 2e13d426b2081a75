import DXSecure
import Testing

/// Keys that are the same in each run, so that hashes, and with them ties, are too. Of no use outside of tests.
enum TestKeys {
    /// The identity with that number, from 0 to 9.
    static func identity(_ number: Int) throws -> Identity {
        let text = "-----BEGIN PRIVATE KEY-----\n\(keys[number])\n-----END PRIVATE KEY-----\n"
        return try #require(Identity(pem: text))
    }

    private static let keys = [
        """
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgFEWSnANRlXqF+HEP
        U1weEGh7ym3pzn9XJ1Dq6OX+BVChRANCAARtAh/rw5yxRy4Ut87dHC8WODh6iyyR
        N7C/AThIAKZVCXR0lCd6iXmObgn38kW2R8jlQBZkkLHF2eJ6HwF3ORrg
        """,
        """
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgQGVYPtiEHZbXYzEJ
        O2hZAGIHfQxMYgOY1iIpnlIYRKWhRANCAAT82Jr2VsoTlnspc/kJdxxbh2xFBgAh
        J/RWm3ri2J/Rrycmh2CcwzHJCTy17oja87BQF3WD7Gkn6+0yW2XmXqtS
        """,
        """
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZs/UUxyPpvNhkaNv
        1h734Z6ElKNWY7kQVXoWDETE5vmhRANCAAQHNr1PkXdVsQeIKyrWR6o33uRDVp/A
        PxVdL3DUcCMsEUIlYqyHJvJqNqFgd+P8sIoONmBnYHjelc7Fh0y5oQ9F
        """,
        """
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgbbf6YnQF5tjkIaGG
        jr+73ryzBKItXJpeBIpDxzJKhPehRANCAATS0qxbH1CUN7mw2qX1z38QfJOVCMT2
        o2A2Cvqxblmo1d/kMBsjasYhAAhdOaB+ge+HzFOAsM4RZik43SAKeCuw
        """,
        """
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgQE6tmxTt32zw2PNq
        H3/Hj3Up1+Hmo7L4WeirCowfNgahRANCAARlY4DvOTKYryyk3JM5J3txFKeMUny9
        Mzrtp7tgHbIi2rizTHc88Bv73XNBYZ8RQhuHNZprRdhKPEB/i2x6JUJM
        """,
        """
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgU7rQSOYpJj3Kjz6k
        PviDRZCFC/tFiG2VHAbyQ7vUdaqhRANCAASqELk/Dg+q8voNsk2cbOMslBMusAG5
        Kdo8nq110GAR3WryoGDMgP4LvjfQrC60QM1rTOm3LVkuBVSnLa5nCkrg
        """,
        """
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdbwkNWffFuw1G/Pn
        Ou2FSr5c7CC4SPiurwZ6aXp0rkihRANCAASfbCKlMLEBEZ3DUby/ZW8vp1p4pvCp
        qCq2znMi1aH6FoUWe72ikIE4ohcPoi78z3TO69mFHzOOh5jt9H9cWVMg
        """,
        """
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgUGJQdVvnJBf3p5Ov
        e3JfT7f0YN0NHSBG5Kw1z8KZ5JyhRANCAASewgh+vj0zo+SZxLPLdcEhFgoRuRd6
        /EiV4FekUS3Z9S+RqHJSd1/ew0AlQ/zuenMf8G0iAQNvcK8n+SPoQs/7
        """,
        """
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgKCU/8xsD1v9n3i1d
        6MIBujuxJVof4Xe5e1Uj+zum85ShRANCAAT5SmK4REUzmIlM0IBTU07KWalP9bRb
        qz8W4GgJBteR5d7tqctNoyxgAKLhAt5yIOyO336RNtAFBJNbSE4f4m/D
        """,
        """
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgpbpjrtcJELAcgR0m
        dA4fw5nozxXzXS/Cb6a8z7UULP2hRANCAARZ0tVWzeDCi/Osc4bV8Kt1HcLoFo1t
        FcppbQKgHzlCRYrZRgv/YZqDT10Ha5QCR0idU0cmFHg/bWAzygXt61bd
        """,
    ]
}
