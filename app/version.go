package app

// Version of the product, as the API and the pages show it.
const Version = "0.1.0"
