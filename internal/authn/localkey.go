package authn

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

const (
	localKeyFile  = "issuer.key"
	localKeyBlock = "PRIVATE KEY"
	localKeyBytes = 4 << 10 // more than any such file holds
)

var errMalformedKey = errors.New(localKeyFile + " is not one PEM block with a PKCS#8 Ed25519 key; " +
	"restore it, or delete it to have a new one made, which ends every session")

// loadKey reads a PKCS#8 Ed25519 key in PEM that nobody but its owner can read.
func loadKey(root *os.Root) (ed25519.PrivateKey, error) {
	file, err := root.Open(localKeyFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", localKeyFile)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s is open to others (mode %04o); its mode must be 0600: chmod 600 %[1]s",
			localKeyFile, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(file, localKeyBytes))
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != localKeyBlock || strings.TrimSpace(string(rest)) != "" {
		return nil, errMalformedKey
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errMalformedKey
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, errMalformedKey
	}
	return key, nil
}

// makeKey writes a new key unless there is one. The file appears whole: it is
// written and synced under another name and then linked, which, other than a
// rename, never replaces what another process put there.
func makeKey(root *os.Root, random io.Reader) (err error) {
	var seed [ed25519.SeedSize]byte
	var suffix [8]byte
	for _, b := range [][]byte{seed[:], suffix[:]} {
		if _, err := io.ReadFull(random, b); err != nil {
			return fmt.Errorf("reading randomness: %w", err)
		}
	}
	der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		return err
	}
	temporary := localKeyFile + "." + hex.EncodeToString(suffix[:]) + ".tmp"
	file, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Remove(temporary)) }()
	err = pem.Encode(file, &pem.Block{Type: localKeyBlock, Bytes: der})
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := root.Link(temporary, localKeyFile); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(root)
}

// syncFolder makes the names in the folder durable.
func syncFolder(root *os.Root) error {
	folder, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
