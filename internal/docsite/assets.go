package docsite

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"path"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// asset is a file that pages load. Its address holds a hash of it, so that a browser may
// keep it for ever.
type asset struct {
	path        string
	contentType string
	content     []byte
}

type assets struct{ byName map[string]asset }

// readAssets names every file of the folder, and the search index. The style sheet and the
// scripts name no other file.
func readAssets(search []byte) (assets, error) {
	all := assets{byName: map[string]asset{}}
	files, err := fs.ReadDir(assetFiles, "assets")
	if err != nil {
		return all, err
	}
	for _, f := range files {
		content, err := assetFiles.ReadFile("assets/" + f.Name())
		if err != nil {
			return all, err
		}
		all.add(f.Name(), content)
	}
	all.add("search.json", search)
	return all, nil
}

func (a assets) add(name string, content []byte) {
	sum := sha256.Sum256(content)
	extension := path.Ext(name)
	kind := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".json": "application/json", ".svg": "image/svg+xml", ".png": "image/png"}[extension]
	if kind == "" {
		kind = mime.TypeByExtension(extension)
	}
	a.byName[name] = asset{
		path:        assetsPath + strings.TrimSuffix(name, extension) + "." + hex.EncodeToString(sum[:5]) + extension,
		contentType: kind, content: content,
	}
}

const assetsPath = root + "/assets/"

// Path is where an asset is. A template that names one that is not there does not parse.
func (a assets) Path(name string) string { return a.byName[name].path }
