package docs

func closeBrowser() {}
