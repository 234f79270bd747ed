package vault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// binaryName and binaryDir are where `make vaultserver` puts the server, below the repository's root.
const (
	binaryName = "vaultserver"
	binaryDir  = "build/bin"
)

// Binary finds the built server: beside the running program, else in build/bin of the repository that
// the working folder lies in. The error says how to build it.
func Binary() (string, error) {
	var candidates []string
	if self, err := os.Executable(); err == nil {
		candidates = append(candidates, filepath.Join(filepath.Dir(self), binaryName))
	}
	root, rootErr := repositoryRoot()
	if rootErr == nil {
		candidates = append(candidates, filepath.Join(root, binaryDir, binaryName))
	}
	for _, path := range candidates {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", errors.Join(
		fmt.Errorf("the lab's Vault is not built (looked for %s): run make vaultserver", strings.Join(candidates, ", ")),
		rootErr)
}

// repositoryRoot walks up from the working folder (a test's is its package's) to the folder whose go.mod
// is the product's.
func repositoryRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module custom-vault\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find the repository: no folder above %s has the product's go.mod", start)
		}
	}
}
