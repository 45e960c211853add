package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// relocatedRoot holds the clusters whose own directory the server's account
// cannot reach.
const relocatedRoot = "/var/lib/paybuf"

// place says where the parts of one cluster are.
//
//	DIR/postgres            the cluster, or a symlink to it
//	DIR/postgres.password   0600
//	DIR/postgres.port       where it listened last
//	DIR/postgres.log
//	CLUSTER.lock            beside the cluster, so that two DIRs cannot share one
type place struct {
	dir     string // DIR, absolute and free of symlinks
	cluster string // where the cluster really is
	account account
}

func (p place) home() string     { return filepath.Dir(p.cluster) }
func (p place) lockFile() string { return p.cluster + ".lock" }
func (p place) link() string     { return filepath.Join(p.dir, clusterName) }
func (p place) password() string { return filepath.Join(p.dir, "postgres.password") }
func (p place) port() string     { return filepath.Join(p.dir, "postgres.port") }
func (p place) log() string      { return filepath.Join(p.dir, "postgres.log") }

const clusterName = "postgres"

// relocated reports whether the cluster is outside DIR.
func (p place) relocated() bool { return p.cluster != p.link() }

// locate decides where the cluster of dir is or will be, and makes the
// directories around it, but not yet the cluster.
func locate(dir string) (place, error) {
	who, err := serverAccount()
	if err != nil {
		return place{}, err
	}
	if dir, err = makeDir(dir); err != nil {
		return place{}, err
	}
	cluster, err := locateCluster(dir, who)
	if err != nil {
		return place{}, err
	}
	return place{dir: dir, cluster: cluster, account: who}, nil
}

// makeDir makes dir and returns it absolute and without symlinks. Root's must
// let the server's account pass; the secrets in it are protected one by one.
func makeDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the directory for Postgres: %w", err)
	}
	mode := fs.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711
	}
	if err := mkdirExact(dir, mode); err != nil {
		return "", fmt.Errorf("make the directory for Postgres: %w", err)
	}
	return filepath.EvalSymlinks(dir)
}

// locateCluster puts the cluster into dir where the account can reach that,
// else into a directory made for it under relocatedRoot. What an earlier start
// decided stays decided, so that a chmod never makes a second, empty cluster.
func locateCluster(dir string, who account) (string, error) {
	link := filepath.Join(dir, clusterName)
	if target, err := os.Readlink(link); err == nil {
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		return target, makeHome(filepath.Dir(target), who)
	}
	blocking, err := who.obstacle(dir)
	if err != nil {
		return "", fmt.Errorf("find out whether user %s can reach %s: %w", who.name, dir, err)
	}
	if blocking == "" {
		return link, nil
	}
	if _, err := os.Lstat(link); err == nil {
		return "", fmt.Errorf("user %s, who owns the cluster in %s, may no longer pass %s: chmod o+x it", who.name, link, blocking)
	}
	sum := sha256.Sum256([]byte(dir))
	home := filepath.Join(relocatedRoot, hex.EncodeToString(sum[:8]))
	return filepath.Join(home, clusterName), makeHome(home, who)
}

// makeHome makes a directory for a relocated cluster and checks that the
// account can reach it.
func makeHome(dir string, who account) error {
	for _, made := range []string{filepath.Dir(dir), dir} {
		if err := mkdirExact(made, 0o711); err != nil {
			return fmt.Errorf("make a directory that user %s can reach: %w", who.name, err)
		}
	}
	blocking, err := who.obstacle(dir)
	if err != nil {
		return fmt.Errorf("find out whether user %s can reach %s: %w", who.name, dir, err)
	}
	if blocking != "" {
		return fmt.Errorf("user %s may not pass %s, where the cluster should be: chmod o+x it", who.name, blocking)
	}
	return nil
}

// connect makes DIR/postgres point to a relocated cluster. Without the symlink
// a cluster that is already there belonged to a DIR that has since been
// removed: it is set aside, once, so that removing DIR does start afresh.
func (p place) connect(ctx context.Context, log *slog.Logger) error {
	if !p.relocated() {
		return nil
	}
	if _, err := os.Readlink(p.link()); err == nil {
		return nil
	}
	if err := p.setAside(ctx, log); err != nil {
		return fmt.Errorf("set the cluster of a removed directory aside: %w", err)
	}
	if err := os.Symlink(p.cluster, p.link()); err != nil {
		return fmt.Errorf("link to the relocated cluster: %w", err)
	}
	log.InfoContext(ctx, "the Postgres cluster is kept outside its directory, which its user cannot reach",
		slog.String("directory", p.dir), slog.String("user", p.account.name), slog.String("cluster", p.cluster))
	return nil
}

// setAside renames an ownerless cluster, after stopping it if it still runs.
func (p place) setAside(ctx context.Context, log *slog.Logger) error {
	if _, err := os.Lstat(p.cluster); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	server, _, err := findPostmaster(p.cluster)
	if err != nil {
		return err
	}
	if server != nil {
		if err := server.stop(ctx); err != nil {
			return err
		}
	}
	old := p.cluster + ".old"
	if err := os.RemoveAll(old); err != nil {
		return err
	}
	log.WarnContext(ctx, "the directory was removed but its Postgres cluster was not: set aside",
		slog.String("directory", p.dir), slog.String("old", old))
	return os.Rename(p.cluster, old)
}
